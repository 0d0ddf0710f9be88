/** Which headers a route may change (HTTPHeaderFilter). */
import { quote } from './objects/schema.ts'

/** The length is that of HeaderName: names to remove have no limit of their own, and a MiB of them is no header. */
const headerName = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,256}$/

/**
 * They frame a message or belong to one connection. A tenant who could write them could end one request in
 * the middle of another.
 */
const connectionHeaders = new Set([
  'connection',
  'content-length',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * Envoy translates the old forms of these commands before it reads a format, and looks neither at "%%" nor at
 * what the JSON in them says: an escaped `%DYNAMIC_METADATA(["\u0025ENVIRONMENT(HOME)\u0025"])%` prints the
 * environment of the proxy, and one with a lone "\u0025" has the whole table refused. Nothing escapes them.
 */
const translatedCommand = /%((?:UPSTREAM|DYNAMIC)_METADATA|PER_REQUEST_STATE)\(/i

export type HeaderChangeKind = 'set' | 'add' | 'remove'

/**
 * Why a header cannot be changed in this way. `Host` can be set in requests, where it rewrites the host.
 * @param value to set or to add
 * @returns a sentence, or undefined when it can
 */
export function checkHeaderChange(
  kind: HeaderChangeKind,
  name: string,
  direction: 'request' | 'response',
  value = '',
): string | undefined {
  const lower = name.toLowerCase()
  if (!headerName.test(name)) return `${quote(name)} is not a header name: remove it`
  if (lower === 'host') {
    if (kind === 'set' && direction === 'request') return undefined
    return direction === 'request'
      ? `Host cannot be changed by "${kind}": use a URLRewrite filter with a hostname`
      : 'Host is no header of a response: remove it'
  }
  if (kind !== 'remove' && connectionHeaders.has(lower))
    return `${name} belongs to the connection and cannot be written: remove it`
  const command = translatedCommand.exec(value)?.[1]
  if (command !== undefined) return `${name}: Envoy cannot send "%${command}(" as text: remove the "%"`
  return undefined
}
