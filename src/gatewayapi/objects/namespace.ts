import { z } from 'zod'
import { LabelNameMeta, objectSchema } from './object-meta.ts'

/** Read for its labels only. */
export const Namespace = objectSchema(
  { group: '', versions: ['v1'], kind: 'Namespace', metadata: LabelNameMeta },
  { spec: z.strictObject({ finalizers: z.array(z.string()).optional() }).optional() },
)
export type Namespace = z.output<typeof Namespace>
