/** The words that many kinds share: names, hostnames, ports, header names. Limits are those of Gateway API 1.7.0. */

import type { z } from 'zod'
import { ipVersion } from '../../base/ip-version.ts'
import { parseDuration } from '../duration.ts'
import { integerSchema, type StringMapRules, textSchema } from './schema.ts'

const dnsLabel = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/
const dnsSubdomain = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/
const wildcardSubdomain = /^(?:\*\.)?[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/

const lowerCase = 'use lowercase letters, digits and "-", beginning and ending with a letter or digit'
const lowerCaseDots = 'use lowercase letters, digits, "-" and ".", beginning and ending with a letter or digit'

/** RFC 1123 label: names of Namespaces and of Services. */
export const DnsLabel = textSchema({ what: 'a DNS label', fix: lowerCase, max: 63, pattern: dnsLabel })
/** RFC 1123 subdomain: names of most objects. */
export const DnsSubdomain = textSchema({ what: 'a DNS name', fix: lowerCaseDots, max: 253, pattern: dnsSubdomain })

/** Gateway API ObjectName: the name in a reference. Deliberately loose, as the field is. */
export const ObjectName = textSchema({ what: 'a name', fix: lowerCaseDots, max: 253 })
/** Gateway API Namespace. */
export const NamespaceName = textSchema({ what: 'a namespace', fix: lowerCase, max: 63, pattern: dnsLabel })
/** Gateway API SectionName: names of listeners and of route rules. */
export const SectionName = textSchema({ what: 'a section name', fix: lowerCaseDots, max: 253, pattern: dnsSubdomain })
/** Gateway API Group; "" is the core group. */
export const Group = textSchema({
  what: 'an API group',
  fix: `${lowerCaseDots}, or "" for the core group`,
  min: 0,
  max: 253,
  pattern: /^$|^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/,
})
/** Gateway API Kind. */
export const Kind = textSchema({
  what: 'a kind',
  fix: 'use letters, digits and "-", beginning with a letter',
  max: 63,
  pattern: /^[a-zA-Z](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$/,
})

/** Gateway API PreciseHostname: no wildcard. */
export const PreciseHostname = textSchema({
  what: 'a hostname',
  fix: `${lowerCaseDots}, without "*"`,
  max: 253,
  pattern: dnsSubdomain,
})

/**
 * Gateway API Hostname: "*." is allowed as the first label. An IP address is no hostname: the field's
 * documentation says so; the pattern of its CRD alone lets IPv4 addresses pass.
 */
export const Hostname: z.ZodString = textSchema({
  what: 'a hostname',
  fix: `${lowerCaseDots}; only the whole first label may be "*"`,
  max: 253,
  pattern: wildcardSubdomain,
}).refine((text) => ipVersion(text) === 0, {
  error: (issue) => `"${String(issue.input)}" is an IP address: use a DNS name, or leave it out to match every host`,
})

/** A TCP or UDP port. */
export const PortNumber = integerSchema(1, 65535, 'a port')

/** Gateway API HeaderName: an RFC 9110 token. Also names of query parameters and cookies. */
export const HeaderName = textSchema({
  what: 'a header name',
  fix: "use letters, digits and !#$%&'*+-.^_`|~",
  max: 256,
  pattern: /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/,
})

/**
 * Gateway API HTTPHeader.value, without characters that no header can carry. The standard CRDs let those
 * pass, and Envoy refuses a whole table for one; the experimental CRDs want ASCII with single blanks.
 */
export const HeaderValue = textSchema({
  what: 'a header value',
  fix: 'remove line ends and other control characters',
  max: 4096,
  pattern: /^[^\u0000-\u0008\u000a-\u001f\u007f]*$/,
})

/** A duration of GEP-2257 as written: {@link parseDuration} gives milliseconds. */
export const Duration = textSchema({
  what: 'a duration',
  fix: 'use up to four numbers of at most five digits, each with h, m, s or ms, such as 1m30s',
  max: 32,
}).refine((text) => parseDuration(text) !== undefined, {
  error: (issue) =>
    `"${String(issue.input)}" is not a duration: use up to four numbers of at most five digits, each with h, m, s or ms, such as 1m30s`,
})

const qualifiedName = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)$/

/** @returns what is wrong with the key of a label or an annotation: [DNS subdomain "/"] name of at most 63 */
export function checkQualifiedName(key: string): string | undefined {
  const slash = key.indexOf('/')
  const prefix = slash < 0 ? undefined : key.slice(0, slash)
  if (prefix !== undefined && (prefix.length > 253 || !dnsSubdomain.test(prefix)))
    return `${JSON.stringify(prefix)} is not a DNS name: use a prefix such as example.com, or none`
  if (!qualifiedName.test(key.slice(slash + 1)))
    return 'is not a key: use up to 63 letters, digits, "-", "_" and ".", beginning and ending with a letter or digit'
  return undefined
}

/** @returns what is wrong with the value of a label */
export function checkLabelValue(value: string): string | undefined {
  if (value === '' || qualifiedName.test(value)) return undefined
  return 'is not a label value: use up to 63 letters, digits, "-", "_" and ".", beginning and ending with a letter or digit'
}

/** Rules of metadata.labels and of matchLabels. */
export const labelRules: StringMapRules = { checkKey: checkQualifiedName, checkValue: checkLabelValue }
/** Gateway API AnnotationValue: at most 4096 characters. Rules of TLS options and infrastructure annotations. */
export const annotationRules: StringMapRules = {
  checkKey: checkQualifiedName,
  checkValue: (value) => (value.length > 4096 ? 'is too long: use at most 4096 characters' : undefined),
  maxEntries: 16,
}
