import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, it } from 'vitest'
import { type EchoBackend, startEchoBackend } from './testing/echo-backend.ts'
import { Load } from './testing/load.ts'
import { StandaloneFixture } from './testing/standalone-fixture.ts'

const edits = 200
const pause = 50

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const fixed = (backends: readonly EchoBackend[]) => `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: gatewright }
spec: { controllerName: gatewright.dev/gateway-controller }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web }
spec:
  gatewayClassName: gatewright
  listeners: [{ name: http, protocol: HTTP, port: 8080 }]
${backends
  .map(
    ({ address, port }, index) => `
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: { name: ${services[index]} }
spec:
  endpoints: [{ ip: { address: ${address}, port: ${port} } }]`,
  )
  .join('')}
`

const services = ['apple', 'pear', 'plum'] as const
const ref = (name: string, weight = 1) =>
  `{ group: gateway.envoyproxy.io, kind: Backend, name: ${name}, weight: ${weight} }`
const header = `filters: [{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: x-turn, value: "1" }] } }]`

/** Every state answers "/" with 200; only the services of the two neighbouring states may answer. */
function routeOf(turn: number): string {
  const service = services[Math.floor(turn / 5) % 2] as string
  const other = `{ matches: [{ path: { value: /other } }], backendRefs: [${ref('plum')}] }`
  const rules = {
    0: [`{ backendRefs: [${ref(service)}] }`, other],
    1: [`{ ${header}, backendRefs: [${ref(service)}] }`, other],
    2: [other, `{ backendRefs: [${ref(service)}] }`],
    3: [other, `{ backendRefs: [${ref('apple', 1 + (turn % 9))}, ${ref('pear', 3)}] }`],
    4: [other, `{ backendRefs: [${ref(service)}] }`],
  }[(turn % 5) as 0 | 1 | 2 | 3 | 4]
  const extra =
    turn % 5 === 4
      ? `
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: extra-${turn} }
spec:
  parentRefs: [{ name: web }]
  hostnames: [extra-${turn}.example.com]
  rules: [{ backendRefs: [${ref('plum')}] }]`
      : ''
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: fruit }
spec:
  parentRefs: [{ name: web }]
  hostnames: [fruit.example.com]
  rules: [${rules.join(', ')}]${extra}
`
}

async function readStat(adminUrl: string, name: string): Promise<number> {
  const text = await (await fetch(`${adminUrl}/stats?filter=^${name}$`)).text()
  return Number(text.split(': ')[1])
}

it(`${edits} edits of a route file under load fail no request and modify no listener`, async () => {
  const backends = await Promise.all(services.map((service) => startEchoBackend({ service })))
  for (const backend of backends) cleanups.push(() => backend.close())
  const fixture = await StandaloneFixture.start({ fixed: fixed(backends), route: routeOf(0) })
  cleanups.push(() => fixture.stop())
  const adminUrl = fixture.view().gateways[0]?.adminUrl as string
  const modifiedBefore = await readStat(adminUrl, 'listener_manager.listener_modified')

  const url = fixture.url('default/web/http')
  const load = new Load({ url, host: 'fruit.example.com', keepAliveClients: 50, newConnectionClients: 50 })
  for (let turn = 1; turn <= edits; turn++) {
    await sleep(pause)
    fixture.apply('route', routeOf(turn))
  }
  await sleep(500)
  const result = await load.stop()

  expect(fixture.fileProblems).toEqual([])
  expect(result.failures, JSON.stringify(result.statuses)).toEqual([])
  expect(Object.keys(result.statuses)).toEqual(['200'])
  // Edits really took effect, and no state of the route allows the third service for this path.
  expect(Object.keys(result.services).sort()).toEqual(['apple', 'pear'])
  expect(result.requests).toBeGreaterThan(edits * 10)
  expect(await readStat(adminUrl, 'listener_manager.listener_modified')).toBe(modifiedBefore)
  expect(await readStat(adminUrl, 'http.port-8080.rds.port-8080.update_rejected')).toBe(0)
  expect(await readStat(adminUrl, 'http.port-8080.rds.port-8080.update_success')).toBeGreaterThan(edits / 2)
})
