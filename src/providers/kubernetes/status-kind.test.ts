import { expect, test } from 'vitest'
import { silentLogger } from '../../base/logger.ts'
import { kinds } from '../../gatewayapi/kinds.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import { GraphFixture, testControllerName } from '../../testing/builders.ts'
import { MemoryApi } from '../../testing/memory-api.ts'
import { FakeClock } from '../../testing/xds-clock.ts'
import { apiPath } from './api-client.ts'
import { LiveStatuses } from './live-statuses.ts'
import { listStatusKinds } from './status-kind.ts'
import { StatusWriter } from './status-writer.ts'

const manifests = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: gatewright }
spec: { controllerName: ${testControllerName} }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gw }
spec:
  gatewayClassName: gatewright
  listeners:
    - { name: http, port: 80, protocol: HTTP }
    - { name: odd, port: 81, protocol: example.com/odd }
  allowedListeners: { namespaces: { from: All } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: more }
spec:
  parentRef: { name: gw }
  listeners: [{ name: more, port: 90, protocol: HTTP }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web }
spec:
  parentRefs: [{ name: gw }, { name: nobody-knows }]
  rules: [{ backendRefs: [{ name: missing, port: 80 }] }]
`

test('the statuses of a whole graph are written once, and the next leader has nothing to write', async () => {
  const { statuses } = new GraphFixture(manifests)
  const [api, live, clock] = [new MemoryApi(), new LiveStatuses(), new FakeClock()]
  const objects = [
    ['GatewayClass', '/gatewright', apiPath({ ...kinds.GatewayClass, version: 'v1' }, '', 'gatewright')],
    ['Gateway', 'default/gw', apiPath({ ...kinds.Gateway, version: 'v1' }, 'default', 'gw')],
    ['ListenerSet', 'default/more', apiPath({ ...kinds.ListenerSet, version: 'v1' }, 'default', 'more')],
    ['HTTPRoute', 'default/web', apiPath({ ...kinds.HTTPRoute, version: 'v1' }, 'default', 'web')],
  ] as const
  const load = () =>
    live.applyStatus(
      objects.map(([kind, key, path]) => {
        const { metadata, status } = api.objects.get(path) as never as Record<string, Record<string, unknown>>
        const text = status === undefined ? '' : JSON.stringify(status)
        const version = { resourceVersion: String(metadata?.['resourceVersion']), uid: String(metadata?.['uid']) }
        return { kind, key: key as NamespacedName, live: { ...version, generation: 1, status: text } }
      }),
    )
  for (const [kind, , path] of objects) api.put(path, { kind, metadata: {} })
  load()
  const write = async () => {
    const writer = new StatusWriter({
      api,
      live,
      kinds: listStatusKinds(statuses),
      resourceOf: (kind) => ({ ...kinds[kind as keyof typeof kinds], version: 'v1' }),
      controllerName: testControllerName,
      logger: silentLogger,
      clock,
    })
    writer.activate()
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
    writer.close()
    return writer.counters
  }
  expect((await write()).total('written')).toBe(4)
  expect(api.objects.get(objects[1][2])?.['status']).toMatchObject({
    listeners: [{ name: 'http', attachedRoutes: 1 }, { name: 'odd' }],
  })
  const route = api.objects.get(objects[3][2])?.['status'] as { parents: { parentRef: object }[] }
  expect(route.parents.map((parent) => parent.parentRef)).toMatchObject([{ name: 'gw' }])
  load()
  const second = await write()
  expect([second.total('written'), second.skipped]).toEqual([0, 4])
})

test('every type of condition that is derived counts as ours', () => {
  const { statuses } = new GraphFixture(manifests)
  let checked = 0
  for (const { desired, shape, kind } of listStatusKinds(statuses)) {
    const [first] = [...desired.entries()] as unknown as [string, Record<string, unknown>][]
    if (first === undefined) continue
    const [, status] = first
    checked++
    const typesOf = (owner: { conditions: { type: string }[] }) => owner.conditions.map((c) => c.type)
    const owners = (shape.form === 'owner' ? [status] : status?.[shape.list]) as unknown as never[]
    expect([kind, owners.flatMap(typesOf).filter((type) => !shape.conditionTypes.has(type))]).toEqual([kind, []])
    if (shape.form !== 'owner' || status['listeners'] === undefined) continue
    const types = (status['listeners'] as { conditions: { type: string }[] }[]).flatMap(typesOf)
    expect(types.filter((type) => !shape.listenerConditionTypes.has(type))).toEqual([])
  }
  expect(checked).toBe(4)
})

test('no desired status is forgotten', () => {
  const { statuses } = new GraphFixture()
  const { routes, ...others } = statuses
  const desired = listStatusKinds(statuses).map((kind) => kind.desired.name)
  const derived = [...Object.values(routes), ...Object.values(others)].map(({ name }) => name)
  expect(desired.sort()).toEqual(derived.sort())
  for (const { kind } of listStatusKinds(statuses)) expect(Object.keys(kinds)).toContain(kind)
})
