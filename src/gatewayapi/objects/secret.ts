import { Buffer } from 'node:buffer'
import { z } from 'zod'
import { checkBase64, checkDataKey } from './config-map.ts'
import { objectSchema } from './object-meta.ts'
import { type StringMap, stringMapSchema, withRules } from './schema.ts'

/** Keys that the API server wants in a Secret of the type. */
const requiredKeys = new Map<string, readonly string[]>([['kubernetes.io/tls', ['tls.crt', 'tls.key']]])

/** Base64 values under their keys: stringData is merged into data and wins, as in the API server. */
export const Secret = withRules(
  objectSchema(
    { group: '', versions: ['v1'], kind: 'Secret' },
    {
      type: z.string().default('Opaque'),
      data: stringMapSchema({ checkKey: checkDataKey, checkValue: checkBase64 }).optional(),
      stringData: stringMapSchema({ checkKey: checkDataKey }).optional(),
      immutable: z.boolean().optional(),
    },
  ),
  ({ type, data, stringData }, complain) => {
    for (const key of requiredKeys.get(type) ?? [])
      if (!Object.hasOwn(data ?? {}, key) && !Object.hasOwn(stringData ?? {}, key))
        complain(['data'], `${key} is required when type is ${type}: add it`)
  },
).transform(({ data, stringData, ...secret }) => ({ ...secret, data: mergeData(data, stringData) }))
export type Secret = z.output<typeof Secret>

function mergeData(data: StringMap | undefined, stringData: StringMap | undefined): StringMap {
  const merged: Record<string, string> = Object.create(null)
  for (const [key, value] of Object.entries(data ?? {})) merged[key] = value
  for (const [key, value] of Object.entries(stringData ?? {}))
    merged[key] = Buffer.from(value, 'utf8').toString('base64')
  return merged
}

/** @returns the decoded value of a key, or undefined when the Secret has no such key */
export function decodeSecretValue(secret: Secret, key: string): Uint8Array | undefined {
  const value = secret.data[key]
  return value === undefined ? undefined : Buffer.from(value, 'base64')
}
