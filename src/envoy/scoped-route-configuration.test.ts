import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../base/logger.ts'
import { bindToOwnPorts } from '../bind-to-own-ports.ts'
import { type ControlPlane, createOfflineControlPlane } from '../control-plane.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import {
  applyObjects,
  gatewayClassYaml,
  gatewayYaml,
  httpRouteYaml,
  parseObjects,
  testControllerName,
} from '../testing/builders.ts'
import { resourceKey } from '../xds/resource.ts'
import { bucketOf } from './bucket-expression.ts'
import { parseScopeName, scopeName } from './names.ts'
import { renderResource } from './proto-json.ts'
import type { TablePolicy } from './table-form.ts'

const gateway = 'default/edge'

class Port {
  readonly plane: ControlPlane
  #changed: string[] = []
  #bytes = 0

  constructor(policy: TablePolicy, ...yamls: readonly string[]) {
    this.plane = createOfflineControlPlane({
      controllerNames: [testControllerName],
      logger: silentLogger,
      rethrow: true,
      tablePolicy: policy,
    })
    bindToOwnPorts(this.plane)
    this.apply(gatewayClassYaml, gatewayYaml('edge', '[{name: http, protocol: HTTP, port: 80}]'), ...yamls)
    for (const [type, collection] of Object.entries(this.plane.resources))
      collection.subscribe((changes: readonly { key: string; after: { bytes: Uint8Array } | undefined }[]) => {
        this.#changed.push(...changes.map(({ key }) => `${type} ${key.split('\n')[1]}`))
        for (const { after } of changes) this.#bytes += after?.bytes.length ?? 0
      })
  }

  apply(...yamls: readonly string[]): this {
    applyObjects(this.plane, parseObjects(yamls.join('\n---\n')))
    return this
  }

  remove(name: string): void {
    this.plane.scheduler.batch(() => this.plane.sources.httpRoutes.delete(`default/${name}` as NamespacedName))
  }

  takeChanges(): { readonly names: string[]; readonly bytes: number } {
    const taken = { names: this.#changed.sort(), bytes: this.#bytes }
    this.#changed = []
    this.#bytes = 0
    return taken
  }

  /** Domains by bucket. */
  buckets(): Record<string, string[]> {
    return Object.fromEntries(
      [...this.plane.resources.scopedRoute.entries()].map(([, resource]) => {
        const { route_configuration: table } = renderResource(resource) as unknown as {
          route_configuration: { virtual_hosts: { domains: string[] }[] }
        }
        return [parseScopeName(resource.name).bucket, table.virtual_hosts.flatMap((v) => v.domains).sort()]
      }),
    )
  }

  digest(): string[] {
    return Object.entries(this.plane.resources)
      .flatMap(([type, collection]) =>
        [...collection.entries()].map(
          ([key, r]) => `${type} ${key} ${r.version} ${Buffer.from(r.bytes).toString('base64')} ${r.sources.join()}`,
        ),
      )
      .sort()
  }
}

const route = (name: string, hostname: string, path = '/') =>
  httpRouteYaml(
    name,
    `  parentRefs: [{name: edge}]
  hostnames: ["${hostname}"]
  rules:
    - matches: [{path: {type: PathPrefix, value: ${path}}}]
      filters: [{type: RequestRedirect, requestRedirect: {hostname: other.test}}]
`,
  )
const hosts = (count: number) => Array.from({ length: count }, (_, i) => route(`r${i}`, `host-${i}.test`))
const always: TablePolicy = { tables: 'always', divideFrom: 1_000_000 }
const scope = (hostname: string) => `scopedRoute ${scopeName('port-80', 16, bucketOf(hostname, 16))}`

describe('a divided table', () => {
  it('has each host in its bucket and every wildcard in all of them', () => {
    const port = new Port(always, ...hosts(100), route('wild', '*.wild.test'))
    const buckets = port.buckets()
    expect(Object.keys(buckets)).toHaveLength(16)
    for (const [bucket, domains] of Object.entries(buckets)) {
      const expected = Array.from({ length: 100 }, (_, i) => `host-${i}.test`).filter((h) => bucketOf(h, 16) === bucket)
      expect(domains).toEqual([...expected, '*', '*.wild.test'].sort())
    }
    expect([...port.plane.resources.route.entries()]).toEqual([])
  })

  it('is what the listener asks for, with the bucket of the request as its key', () => {
    const port = new Port(always, route('a', 'a.test'))
    const listener = renderResource(port.plane.resources.listener.get(resourceKey(gateway, 'port-80')) as never)
    const text = JSON.stringify(listener)
    expect(text).not.toContain('"rds"')
    expect(JSON.parse(/"scoped_routes":(\{.*?"srds_resources_locator":"[^"]*"\}\})/.exec(text)?.[1] ?? '')).toEqual({
      name: 'port-80',
      scope_key_builder: { fragments: [{ header_value_extractor: { name: 'x-gw-bucket', index: 0 } }] },
      scoped_rds: {
        scoped_rds_config_source: { ads: {}, resource_api_version: 'V3' },
        srds_resources_locator: 'xdstp:///envoy.config.route.v3.ScopedRouteConfiguration/port-80/16/*',
      },
    })
    const name = scopeName('port-80', 16, bucketOf('a.test', 16))
    const { route_configuration: table, ...rest } = renderResource(
      port.plane.resources.scopedRoute.get(resourceKey(gateway, name)) as never,
    ) as Record<string, object>
    expect(rest).toMatchObject({ name, key: { fragments: [{ string_key: bucketOf('a.test', 16) }] } })
    expect(table).toMatchObject({
      ignore_port_in_host_matching: true,
      validate_clusters: false,
      request_headers_to_remove: ['x-gw-bucket'],
    })
  })

  it('costs one bucket for an edited host and all of them for a wildcard', () => {
    const port = new Port(always, ...hosts(300), route('wild', '*.wild.test'))
    port.takeChanges()
    port.apply(route('r7', 'host-7.test', '/new'))
    const edit = port.takeChanges()
    expect(edit.names).toEqual([scope('host-7.test')])
    expect(edit.bytes).toBeLessThan(10_000)
    port.apply(route('wild', '*.wild.test', '/new'))
    expect(port.takeChanges().names).toHaveLength(16)
    port.apply(route('new', 'new.test'))
    expect(port.takeChanges().names).toEqual([scope('new.test')])
    port.remove('new')
    expect(port.takeChanges().names).toEqual([scope('new.test')])
  })

  it('has equal bytes whatever the history', () => {
    const step = fc.record({
      name: fc.constantFrom('r1', 'r2', 'r3', 'r4', 'r5'),
      set: fc.option(fc.constantFrom('a.test', 'b.test', '*.test', '*.a.test', 'c.a.test'), { freq: 3 }),
      path: fc.constantFrom('/', '/a'),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 10 }), (steps) => {
        const edited = new Port(always)
        const last = new Map<string, string>()
        for (const { name, set, path } of steps) {
          last.delete(name)
          if (set === null) edited.remove(name)
          else {
            last.set(name, route(name, set, path))
            edited.apply(route(name, set, path))
          }
        }
        expect(edited.digest()).toEqual(new Port(always, ...last.values()).digest())
      }),
      { numRuns: 30 },
    )
  })
})

it('a table that grows and shrinks changes its form at different sizes, and comes back to the same bytes', () => {
  const port = new Port({ tables: 'auto', divideFrom: 100 }, ...hosts(60))
  const whole = port.digest()
  const isDivided = () => port.plane.resources.scopedRoute.size > 0
  port.takeChanges()
  // The virtual host for every other host counts too.
  port.apply(...hosts(98))
  expect(isDivided()).toBe(false)
  expect(port.takeChanges().names).toEqual(['route port-80'])
  port.apply(...hosts(99))
  expect(isDivided()).toBe(true)
  const { names } = port.takeChanges()
  expect(names.filter((name) => !name.startsWith('scopedRoute'))).toEqual([
    'listener port-80',
    'route port-80',
    'route port-80',
  ])
  expect(port.plane.resources.route.size).toBe(0)
  for (let i = 60; i < 99; i++) port.remove(`r${i}`)
  expect(isDivided()).toBe(true)
  for (let i = 48; i < 60; i++) port.remove(`r${i}`)
  expect(isDivided()).toBe(false)
  port.apply(...hosts(60))
  expect(port.digest()).toEqual(whole)
})
