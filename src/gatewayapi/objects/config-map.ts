import { z } from 'zod'
import { objectSchema } from './object-meta.ts'
import { stringMapSchema, withRules } from './schema.ts'

const dataKey = /^[-._a-zA-Z0-9]{1,253}$/
const base64 = /^[A-Za-z0-9+/\r\n]*={0,2}[\r\n]*$/

/** @returns what is wrong with a key of a ConfigMap's or a Secret's data */
export function checkDataKey(key: string): string | undefined {
  if (dataKey.test(key) && key !== '.' && key !== '..') return undefined
  return 'is not a key of data: use up to 253 letters, digits, "-", "_" and "."'
}

/** @returns what is wrong with base64 text. Line ends are allowed, as in Go's decoder. */
export function checkBase64(text: string): string | undefined {
  if (base64.test(text) && text.replace(/[\r\n]/g, '').length % 4 === 0) return undefined
  return 'is not base64: encode it, or use the field for plain text'
}

/** Certificates of authorities stand under the key ca.crt. */
export const ConfigMap = withRules(
  objectSchema(
    { group: '', versions: ['v1'], kind: 'ConfigMap' },
    {
      data: stringMapSchema({ checkKey: checkDataKey }).optional(),
      /** Base64. */
      binaryData: stringMapSchema({ checkKey: checkDataKey, checkValue: checkBase64 }).optional(),
      immutable: z.boolean().optional(),
    },
  ),
  ({ data, binaryData }, complain) => {
    for (const key of Object.keys(binaryData ?? {}))
      if (data !== undefined && Object.hasOwn(data, key))
        complain(['binaryData', key], 'is in data too: remove one of them')
  },
)
export type ConfigMap = z.output<typeof ConfigMap>
