import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, it } from 'vitest'
import { gatewayYaml, httpRouteYaml, serviceYaml, tlsSecretYaml } from './testing/builders.ts'
import { issueCertificate } from './testing/certificates.ts'
import { DetachedControlPlane } from './testing/detached-control-plane.ts'
import { type EchoBackend, startEchoBackend } from './testing/echo-backend.ts'
import { Load } from './testing/load.ts'
import { ServedEnvoy } from './testing/serving-fixture.ts'

/** The control plane dies under load and another one takes its place; Envoy lives on. */

const kills = 20
const killsInChange = 10
const host = 'fruit.example.com'
const neighbours = 20

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const listeners = `
  - {name: http, protocol: HTTP, port: 8080}
  - {name: https, protocol: HTTPS, port: 8443, hostname: ${host}, tls: {certificateRefs: [{name: cert}]}}`

const serviceTo = (name: string, { address, port }: EchoBackend) => `${serviceYaml(name)}
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-a, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
endpoints: [{addresses: [${address}]}]
ports: [{port: ${port}}]
---
`

const routeTo = (service: string, name = 'fruit', hostname = host) =>
  httpRouteYaml(
    name,
    `  parentRefs: [{name: web}]\n  hostnames: [${hostname}]\n  rules: [{backendRefs: [{name: ${service}, port: 80}]}]`,
  )

async function start() {
  const [apple, pear] = await Promise.all(['apple', 'pear'].map((service) => startEchoBackend({ service })))
  if (apple === undefined || pear === undefined) throw new Error('there are two backends')
  for (const backend of [apple, pear]) cleanups.push(() => backend.close())
  const { certificate, privateKey } = issueCertificate({ dnsNames: [host] })
  const beside = Array.from({ length: neighbours }, (_, i) =>
    [serviceTo(`beside-${i}`, pear), routeTo(`beside-${i}`, `beside-${i}`, `${i}.example.com`)].join(''),
  )
  const fixed = gatewayYaml('web', listeners) + tlsSecretYaml('cert', certificate, privateKey) + beside.join('')
  const envoy = await ServedEnvoy.start({ concurrency: 2 })
  cleanups.push(() => envoy.stop())
  return { apple, pear, fixed, envoy }
}

async function startControlPlane(envoy: ServedEnvoy): Promise<DetachedControlPlane> {
  const controlPlane = await DetachedControlPlane.start(join(envoy.directory, 'compiled'))
  cleanups.push(() => controlPlane.kill())
  return controlPlane
}

async function settled(controlPlane: DetachedControlPlane): Promise<void> {
  await expect.poll(async () => (await controlPlane.report()).isSettled, { timeout: 15_000, interval: 20 }).toBe(true)
}

const startLoad = (envoy: ServedEnvoy, services: readonly string[]) =>
  new Load({
    url: envoy.url(),
    host,
    protocols: ['http1', 'http2'],
    keepAliveClients: 50,
    newConnectionClients: 50,
    allowed: { '/': services },
  })

it(`a control plane killed and replaced ${kills} times sends nothing again, changes nothing and fails no request`, async () => {
  const { apple, fixed, envoy } = await start()
  const content = {
    socket: envoy.socket,
    listenAddress: envoy.address,
    yaml: fixed + serviceTo('apple', apple) + routeTo('apple'),
  }
  let current = await startControlPlane(envoy)
  await current.serve(content)
  await envoy.askUntil('/', host, ['apple'])
  await settled(current)
  const filter =
    'cluster_manager\\.cluster_(added|modified|updated|removed)|listener_manager\\.listener_|update_rejected|http\\.port.*config_reload$'
  const before = await envoy.stats(filter)
  expect(before['cluster_manager.cluster_added']).toBeGreaterThan(neighbours)
  let standby = startControlPlane(envoy)
  const load = startLoad(envoy, ['apple'])
  await load.running
  for (let turn = 0; turn < kills; turn++) {
    const next = await standby
    await current.kill()
    await next.serve(content)
    standby = startControlPlane(envoy)
    await settled(next)
    const { resourcesSent, resourcesRemoved, nacks } = await next.report()
    const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((a, b) => a + b, 0)
    expect([sum(resourcesSent), sum(resourcesRemoved), nacks]).toEqual([0, 0, 0])
    current = next
  }
  await standby
  const result = await load.stop()
  expect([result.failed, result.misrouted], result.failures.join('\n')).toEqual([0, 0])
  expect(result.requests).toBeGreaterThan(kills * 100)
  expect(await envoy.stats(filter)).toEqual(before)
  // The last one is heard as well as the first.
  await current.apply(routeTo('beside-0'))
  await envoy.askUntil('/', host, ['pear'])
}, 300_000)

it(`a control plane killed ${killsInChange} times in the middle of a change fails no request`, async () => {
  const { apple, pear, fixed, envoy } = await start()
  const [yes, no] = [
    { backend: apple, outcome: 'apple' },
    { backend: pear, outcome: 'pear' },
  ] as const
  /** Each state has a Service of its own, so that clusters, endpoints and tables are all under way. */
  const stateAt = (turn: number) =>
    serviceTo(`fruit-${turn}`, (turn % 2 === 0 ? yes : no).backend) + routeTo(`fruit-${turn}`)
  const where = { socket: envoy.socket, listenAddress: envoy.address }
  let current = await startControlPlane(envoy)
  await current.serve({ ...where, yaml: fixed + stateAt(0) })
  await envoy.askUntil('/', host, ['apple'])
  let standby = startControlPlane(envoy)
  const load = startLoad(envoy, ['apple', 'pear'])
  await load.running
  for (let turn = 1; turn <= killsInChange; turn++) {
    const next = await standby
    // The answer comes before the change has left, so the kill hits any point of the burst.
    await current.apply(stateAt(turn))
    await sleep(turn % 7)
    await current.kill()
    await next.serve({ ...where, yaml: fixed + stateAt(turn) })
    standby = startControlPlane(envoy)
    await settled(next)
    await envoy.askUntil('/', host, [(turn % 2 === 0 ? yes : no).outcome])
    expect((await next.report()).nacks).toBe(0)
    current = next
  }
  await standby
  const result = await load.stop()
  expect([result.failed, result.misrouted], result.failures.join('\n')).toEqual([0, 0])
  expect(Object.keys(result.services).sort()).toEqual(['apple', 'pear'])
}, 300_000)
