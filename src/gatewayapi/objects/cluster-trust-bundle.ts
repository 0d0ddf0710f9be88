import { z } from 'zod'
import { objectMetaSchema, objectSchema } from './object-meta.ts'
import { textSchema } from './schema.ts'

export const clusterTrustBundleGroup = 'certificates.k8s.io'

/** Names begin with that of the signer, with ":" for its "/": "example.com:mysigner:v1". */
const BundleName = textSchema({
  what: 'a name',
  fix: 'use lowercase letters, digits, "-", "." and ":"',
  max: 253,
  pattern: /^[a-z0-9](?:[-a-z0-9.:]*[a-z0-9])?$/,
})

/** Certificates of authorities for the whole cluster. */
export const ClusterTrustBundle = objectSchema(
  {
    group: clusterTrustBundleGroup,
    versions: ['v1', 'v1beta1', 'v1alpha1'],
    kind: 'ClusterTrustBundle',
    metadata: objectMetaSchema(BundleName),
  },
  {
    spec: z.strictObject({
      signerName: z.string().optional(),
      /** PEM. */
      trustBundle: z.string(),
    }),
  },
)
export type ClusterTrustBundle = z.output<typeof ClusterTrustBundle>
