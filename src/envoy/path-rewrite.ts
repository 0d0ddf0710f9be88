import type { HTTPPathModifier } from '../gatewayapi/objects/http-filter.ts'
import type { HTTPPathMatch } from '../gatewayapi/objects/http-route.ts'
import type { envoy } from '../gen/envoy.js'

type RegexMatchAndSubstitute = envoy.type.matcher.v3.RegexMatchAndSubstitute

/** How a path changes; the query always stays. Fields of RouteAction and, but for `full`, of RedirectAction. */
export type PathChange =
  | { readonly kind: 'full'; readonly path: string }
  | { readonly kind: 'prefix'; readonly prefixRewrite: string }
  | { readonly kind: 'pattern'; readonly regexRewrite: RegexMatchAndSubstitute }

/**
 * What a modifier means for a match, or nothing when it changes nothing. A prefix is replaced up to the
 * end of its last segment: "/" at the end of either text makes no difference (HTTPPathModifier).
 */
export function planPathChange(modifier: HTTPPathModifier, match: HTTPPathMatch): PathChange | undefined {
  if (modifier.type === 'ReplaceFullPath')
    return { kind: 'full', path: absolute(encodePath(modifier.replaceFullPath ?? '')) }
  const prefix = trimSlash(match.value)
  const replacement = trimSlash(encodePath(modifier.replacePrefixMatch ?? ''))
  if (prefix === '') {
    // The table then matches by prefix "/", which is what Envoy replaces.
    return replacement === '' ? undefined : { kind: 'prefix', prefixRewrite: `${absolute(replacement)}/` }
  }
  if (replacement !== '') return { kind: 'prefix', prefixRewrite: absolute(replacement) }
  // Nothing in place of "/a" would leave "" of "/a", and "/" in its place would make "//b" of "/a/b".
  return { kind: 'pattern', regexRewrite: { pattern: { regex: `^${escapePattern(prefix)}/*` }, substitution: '/' } }
}

/** The fields of a RouteAction for a change. */
export function buildPathRewrite(change: PathChange | undefined): envoy.config.route.v3.RouteAction {
  if (change === undefined) return {}
  if (change.kind === 'prefix') return { prefixRewrite: change.prefixRewrite }
  if (change.kind === 'pattern') return { regexRewrite: change.regexRewrite }
  return { regexRewrite: { pattern: { regex: '^/.*$' }, substitution: change.path.replaceAll('\\', '\\\\') } }
}

function trimSlash(path: string): string {
  return path.replace(/\/+$/, '')
}

function absolute(path: string): string {
  return path.startsWith('/') ? path : `/${path}`
}

/** Nothing checks these texts before: a line break in one would have Envoy refuse the table. */
function encodePath(path: string): string {
  return path.replace(/[^\x21-\x7e]+/g, (text) => encodeURIComponent(text.toWellFormed()))
}

/** A literal in RE2's syntax. */
function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
