/** Instead of what must not be told. */
const redacted = '[redacted]'

/** Fields that hold a secret wherever they occur (CertificateNode.privateKey; Secret.data, .stringData). */
const secretFields: ReadonlySet<string> = new Set(['privateKey', 'password', 'token', 'stringData'])

/**
 * A PEM block of a private key, plain or in base64 at any of the three alignments that
 * "PRIVATE KEY" can have: whatever else is around it, such a text is not told at all.
 */
const privateKeyText = /PRIVATE KEY|UFJJVkFURSBLRV|BSSVZBVEUgS0VZ|QUklWQVRFIEtFW/

const maxDepth = 12
const maxItems = 1000

/**
 * A copy of a value that can be shown to whoever may reach a debugging port: bytes are told by their number,
 * the content of Secrets and private keys not at all, and cycles, depth and length have an end.
 * It errs on the side of silence: a ConfigMap's data is not told either, since people put passwords there.
 */
export function redactSecrets(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return privateKeyText.test(value) ? redacted : value
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  if (value === null || typeof value !== 'object') return value
  if (value instanceof Uint8Array) return `[${value.byteLength} bytes]`
  if (depth >= maxDepth) return '[too deep]'
  if (value instanceof Map) return redactSecrets(Object.fromEntries([...value].map(([k, v]) => [String(k), v])), depth)
  if (Array.isArray(value) || value instanceof Set) return redactItems([...value], depth)
  return redactFields(value, depth)
}

function redactItems(items: readonly unknown[], depth: number): unknown[] {
  const shown = items.slice(0, maxItems).map((item) => redactSecrets(item, depth + 1) ?? null)
  return items.length > maxItems ? [...shown, `[${items.length - maxItems} more]`] : shown
}

function redactFields(object: object, depth: number): unknown {
  const copy: Record<string, unknown> = Object.create(null)
  const entries = Object.entries(object)
  const isKubernetesObject = 'metadata' in object
  for (const [field, content] of entries.slice(0, maxItems)) {
    const isSecret = secretFields.has(field) || (isKubernetesObject && (field === 'data' || field === 'binaryData'))
    const shown = isSecret ? redactKeys(content) : redactSecrets(content, depth + 1)
    if (shown !== undefined) copy[field] = shown
  }
  return copy
}

/** Which keys there are is often the very question. */
function redactKeys(content: unknown): unknown {
  if (content === null || typeof content !== 'object') return redacted
  return Object.fromEntries(Object.keys(content).map((key) => [key, redacted]))
}
