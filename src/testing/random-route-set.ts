import type { GRPCRouteMatch } from '../gatewayapi/objects/grpc-route.ts'
import type { HTTPRouteMatch } from '../gatewayapi/objects/http-route.ts'

/** A repeatable source of choices. */
export class Choices {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** 0 to `limit` - 1. Mulberry32. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * limit)
  }

  oneOf<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }

  /** True in one of `times` cases. */
  once(times: number): boolean {
    return this.below(times) === 0
  }

  list<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.below(most + 1) }, make)
  }

  /** Some of the items, in random order. */
  some<T>(items: readonly T[], most: number): T[] {
    const left = [...items]
    return this.list(Math.min(most, items.length), () => left.splice(this.below(left.length), 1)[0] as T)
  }
}

/** A listener of protocol HTTP; those of one set share a port. */
export interface ListenerCase {
  readonly name: string
  /** undefined: every host. */
  readonly hostname: string | undefined
}

interface RouteCaseBase {
  readonly name: string
  readonly namespace: string
  readonly created: string | undefined
  readonly hostnames: readonly string[]
  /** Names of listeners; undefined: all of them. */
  readonly sections: readonly string[] | undefined
}

/** The number of a rule is that of its Service; undefined: the Service does not exist. */
export interface RuleCase<M> {
  readonly service: number | undefined
  readonly matches: readonly M[]
}

export type RouteCase = RouteCaseBase &
  (
    | { readonly kind: 'HTTPRoute'; readonly rules: readonly RuleCase<HTTPRouteMatch>[] }
    | { readonly kind: 'GRPCRoute'; readonly rules: readonly RuleCase<GRPCRouteMatch>[] }
  )

export interface RouteSetCase {
  readonly listeners: readonly ListenerCase[]
  readonly routes: readonly RouteCase[]
}

export interface RequestCase {
  readonly host: string
  readonly path: string
  readonly query: readonly (readonly [string, string])[]
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly grpc: boolean
}

/** As many Services as rules of a set can have. */
export const mostServices = 24

// Few words, so that matches often meet: what is rare in the world must be common here.
const listenerHostnames = [undefined, '*.test', '*.a.test', 'b.a.test', '*.b.a.test'] as const
const routeHostnames = ['*.test', '*.a.test', 'a.test', 'b.a.test', 'c.a.test', '*.b.a.test', 'x.b.a.test', 'z.other']
const hosts = [
  'test',
  'a.test',
  'b.a.test',
  'c.a.test',
  'x.b.a.test',
  'y.x.b.a.test',
  'z.other',
  'B.A.test',
  'b.a.test:81',
]
const times = [undefined, '2026-01-01T00:00:00Z', '2026-01-01T01:00:00+01:00', '2026-01-02T00:00:00Z'] as const
const values = ['1', '2'] as const
const exactPaths = ['/', '/a', '/a/', '/a/b', '/p.S/M', '/p.S/N', '/A'] as const
const prefixPaths = ['/', '/a', '/a/', '/a/b', '/a/b/', '/p.S', '/p'] as const
const patterns = ['/a.*', '/(?:a|b)', '/a/[^/]+', '/.*', '/p[.]S/M'] as const
const paths = ['/', '/a', '/a/', '/ab', '/a/b', '/a/b/c', '/b', '/A', '/p.S/M', '/p.S/N', '/p.T/M', '/p/x'] as const
const methods = ['GET', 'POST'] as const

/** Listeners of one port, and routes on them. */
export function makeRouteSet(choices: Choices): RouteSetCase {
  const listeners = choices
    .some(listenerHostnames, 3)
    .concat(choices.once(4) ? [] : [undefined])
    .filter((hostname, index, all) => all.indexOf(hostname) === index)
    .map((hostname, index) => ({ name: `l${index}`, hostname }))
  if (listeners.length === 0) listeners.push({ name: 'l0', hostname: undefined })
  let service = 0
  const next = () => (choices.once(8) ? undefined : service++ % mostServices)
  const names = new Set<string>()
  const routes: RouteCase[] = []
  for (let wanted = 1 + choices.below(4); wanted > 0; wanted--) {
    const kind = choices.once(3) ? 'GRPCRoute' : 'HTTPRoute'
    const base = {
      name: choices.oneOf(['a', 'b', 'c', 'd']),
      namespace: choices.oneOf(['m', 'n']),
      created: choices.oneOf(times),
      hostnames: choices.some(routeHostnames, 3),
      sections: choices.once(4) ? [choices.oneOf(listeners).name] : undefined,
    }
    const id = `${kind}/${base.namespace}/${base.name}`
    if (names.has(id)) continue
    names.add(id)
    const rules = <M>(make: () => M): RuleCase<M>[] =>
      Array.from({ length: 1 + choices.below(3) }, () => ({
        service: next(),
        matches: [make(), ...choices.list(2, make)],
      }))
    if (kind === 'HTTPRoute') routes.push({ ...base, kind, rules: rules(() => makeHTTPMatch(choices)) })
    else routes.push({ ...base, kind, rules: rules(() => makeGRPCMatch(choices)) })
  }
  return { listeners, routes }
}

function makeHTTPMatch(choices: Choices): HTTPRouteMatch {
  const type = choices.oneOf(['Exact', 'PathPrefix', 'PathPrefix', 'RegularExpression'] as const)
  const value = choices.oneOf({ Exact: exactPaths, PathPrefix: prefixPaths, RegularExpression: patterns }[type])
  const headers = makeHeaders(choices, ['x', 'X', 'y'])
  const queryParams = choices
    .some(['q', 'Q', 'r'], choices.once(2) ? 2 : 0)
    .map((name) => makeValueMatch(choices, name))
  return {
    path: { type, value },
    ...(choices.once(4) && { method: choices.oneOf(methods) }),
    ...(headers.length > 0 && { headers }),
    ...(queryParams.length > 0 && { queryParams }),
  }
}

function makeGRPCMatch(choices: Choices): GRPCRouteMatch {
  const service = choices.oneOf([undefined, 'p.S', 'p.T', 'p'])
  const method = choices.oneOf([undefined, 'M', 'N'])
  const headers = makeHeaders(choices, ['x', 'y'])
  const isPattern = choices.once(4)
  return {
    ...((service ?? method) !== undefined && {
      method: {
        type: isPattern ? ('RegularExpression' as const) : ('Exact' as const),
        ...(service !== undefined && { service: isPattern ? `${service}.*` : service }),
        ...(method !== undefined && { method: isPattern ? `[${method}]` : method }),
      },
    }),
    ...(headers.length > 0 && { headers }),
  }
}

function makeHeaders(choices: Choices, names: readonly string[]) {
  return choices.some(names, choices.once(2) ? 2 : 0).map((name) => makeValueMatch(choices, name))
}

function makeValueMatch(choices: Choices, name: string) {
  return choices.once(5)
    ? { type: 'RegularExpression' as const, name, value: choices.oneOf(['[12]', '2|3']) }
    : { type: 'Exact' as const, name, value: choices.oneOf(values) }
}

/** A request that has something to do with the sets that {@link makeRouteSet} makes. */
export function makeRequest(choices: Choices): RequestCase {
  const grpc = choices.once(3)
  return {
    host: choices.oneOf(hosts),
    path: choices.oneOf(paths),
    query: choices.some(['q', 'Q', 'r'], 2).map((name) => [name, choices.oneOf(values)] as const),
    method: grpc ? 'POST' : choices.oneOf([...methods, 'PUT']),
    headers: Object.fromEntries(choices.some(['x', 'y'], 2).map((name) => [name, choices.oneOf(values)])),
    grpc,
  }
}

/** Deterministic: the same seed gives the same set and requests. */
export function makeCase(seed: number, requests: number): { set: RouteSetCase; requests: readonly RequestCase[] } {
  const choices = new Choices(seed)
  const set = makeRouteSet(choices)
  return { set, requests: Array.from({ length: requests }, () => makeRequest(choices)) }
}
