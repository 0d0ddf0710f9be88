import type { Complain } from './schema.ts'

/** The most matches that the rules of one route may have together. */
const maxMatches = 128

interface RouteRule {
  readonly name?: string | undefined
  readonly matches?: readonly unknown[] | undefined
}

/** The rules of an HTTPRoute or GRPCRoute: not too many matches in all, and no name twice. */
export function checkRouteRules(rules: readonly RouteRule[], complain: Complain): void {
  let matches = 0
  for (const rule of rules) matches += rule.matches?.length ?? 0
  if (matches > maxMatches) complain([], `has ${matches} matches in all: use at most ${maxMatches}, or split the route`)
  if (rules.length < 2) return
  const names = new Map<string, number>()
  for (const [index, { name }] of rules.entries()) {
    if (name === undefined) continue
    const earlier = names.get(name)
    if (earlier === undefined) names.set(name, index)
    else complain([index, 'name'], `"${name}" is the name of item ${earlier} already: use another one`)
  }
}
