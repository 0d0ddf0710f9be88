import { randomInt } from 'node:crypto'
import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, it } from 'vitest'
import { tlsSecretYaml } from '../testing/builders.ts'
import { issueCertificate } from '../testing/certificates.ts'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { Load } from '../testing/load.ts'
import { backendYaml, repeat, StandaloneFixture } from '../testing/standalone-fixture.ts'

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const gateway = `
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
`

const echoYaml = ({ address, port }: EchoBackend, name: string) => `
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: { name: ${name} }
spec:
  endpoints: [{ ip: { address: ${address}, port: ${port} } }]
`

/** Backends see in x-route which hostname won; '' is every host. */
const routeYaml = (name: string, hostname: string, backend: string) => `
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name} }
spec:
  parentRefs: [{ name: web }]
${hostname === '' ? '' : `  hostnames: ["${hostname}"]\n`}  rules:
    - filters: [{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: x-route, value: "${hostname || 'any'}" }] } }]
      backendRefs: [{ group: gateway.envoyproxy.io, kind: Backend, name: ${backend} }]
`

const manyRoutes = (hostnames: readonly string[], backend: string) =>
  hostnames.map((hostname, index) => routeYaml(`r-${index}`, hostname, backend)).join('')

async function start(service: string): Promise<EchoBackend> {
  const backend = await startEchoBackend({ service })
  cleanups.push(() => backend.close())
  return backend
}

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789'
const randomLabel = () => Array.from({ length: randomInt(1, 20) }, () => letters[randomInt(letters.length)]).join('')
const randomHostname = () =>
  `${Array.from({ length: randomInt(1, 4) }, () => `a${randomLabel()}-${randomLabel()}`).join('.')}.test`

async function dump(fixture: StandaloneFixture, resource = ''): Promise<string> {
  const { adminUrl } = fixture.view().gateways[0] as { adminUrl: string }
  return (await fetch(`${adminUrl}/config_dump${resource}`)).text()
}

const collectionOf = (count: number) => `ScopedRouteConfiguration/port-8080/${count}/*`

it.each([
  { count: 16, hosts: 500, divideFrom: 10_000 },
  { count: 64, hosts: 500, divideFrom: 300 },
  { count: 256, hosts: 1700, divideFrom: 300 },
])('a host finds its table among $count, however it is written', async ({ count, hosts, divideFrom }) => {
  const backend = await start('echo')
  const wildcards = ['*.wild.test', '*.deep.wild.test', '']
  const hostnames = [
    'xn--mnchen-3ya.test',
    'x.wild.test',
    'localhost',
    'a.very.deep.wild.test',
    ...new Set(Array.from({ length: hosts }, randomHostname)),
  ]
  const fixture = await StandaloneFixture.start(
    { gateway, backend: echoYaml(backend, 'echo'), routes: manyRoutes([...hostnames, ...wildcards], 'echo') },
    { divideFrom, tables: 'always' },
  )
  cleanups.push(() => fixture.stop())
  expect(await dump(fixture)).toContain(collectionOf(count))

  const own = hostnames.slice(0, 500).flatMap((hostname) => [
    [hostname, hostname],
    [hostname.toUpperCase(), hostname],
    [`${hostname}:8080`, hostname],
  ])
  const others = ['10.0.0.1', '10.0.0.1:8080', '[::1]', '[::1]:80', 'unknown.test', 'a_b.test', 'WILD.test'].map(
    (host) => [host, 'any'],
  )
  const wild = ['y.wild.test', 'Y.WILD.test:443', 'z.y.wild.test', 'y_y.wild.test'].map((host) => [host, '*.wild.test'])
  const deep = ['y.deep.wild.test', 'z.y.DEEP.wild.test:1'].map((host) => [host, '*.deep.wild.test'])
  const probes = [...own, ...others, ...wild, ...deep] as [host: string, expected: string][]
  const wrong = (
    await repeat(probes.length, async (index) => {
      const [host, expected] = probes[index] as [string, string]
      const spoofed = index % 2 === 0 ? { 'x-gw-bucket': '0' } : {}
      const { status, echo } = await fixture.get('default/web/http', '/', { host, headers: spoofed })
      if (status !== 200) return `${host}: ${status}`
      const names = Object.keys(echo.headers).map((name) => name.toLowerCase())
      // The backend sees the host as it was sent, and nothing of the bucket.
      const isRight =
        echo.headers['X-Route']?.join() === expected && echo.host === host && !names.includes('x-gw-bucket')
      return isRight ? '' : `${host}: ${JSON.stringify(echo)}`
    })
  ).filter((text) => text !== '')
  expect(probes.length).toBeGreaterThan(1000)
  expect(wrong).toEqual([])
})

it('a port that grows and shrinks changes its form under load without a failed request', async () => {
  const [apple, pear] = await Promise.all([start('apple'), start('pear')])
  const hostnames = (number: number) => Array.from({ length: number }, (_, i) => `host-${i}.example.com`)
  const small = manyRoutes(hostnames(30), 'pear')
  const middle = manyRoutes(hostnames(70), 'pear')
  const large = manyRoutes(hostnames(140), 'pear')
  const many = manyRoutes(hostnames(1100), 'pear')
  const fruit = (service: string) => routeYaml('fruit', 'fruit.example.com', service)
  const fixture = await StandaloneFixture.start(
    {
      gateway,
      backends: echoYaml(apple, 'apple') + echoYaml(pear, 'pear'),
      fruit: fruit('apple'),
      routes: small,
    },
    { divideFrom: 100 },
  )
  cleanups.push(() => fixture.stop())
  const { adminUrl } = fixture.view().gateways[0] as { adminUrl: string }
  const readStat = async (name: string) =>
    Number((await (await fetch(`${adminUrl}/stats?filter=^${name}$`)).text()).split(': ')[1])
  const url = fixture.url('default/web/http')
  /** What new connections are routed by. */
  const form = async (): Promise<string> => {
    const { configs } = JSON.parse(await dump(fixture, '?resource=dynamic_listeners')) as {
      configs: { active_state: unknown; warming_state?: unknown }[]
    }
    expect(configs.map((c) => c.warming_state)).toEqual([undefined])
    const text = JSON.stringify(configs.map((c) => c.active_state))
    return (
      [16, 64, 256].find((count) => text.includes(collectionOf(count)))?.toString() ??
      (/"rds"/.exec(text) ? 'whole' : '')
    )
  }

  const connect = () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    cleanups.push(() => agent.destroy())
    return agent
  }
  const ask = (agent: Agent) =>
    new Promise<string>((resolve, reject) => {
      get(url, { agent, headers: { host: 'fruit.example.com' } }, (response) => {
        let body = ''
        response.on('data', (data: Buffer) => {
          body += data.toString()
        })
        response.on('end', () => resolve((JSON.parse(body) as { service: string }).service))
      }).on('error', reject)
    })
  /** Connections from before each change. */
  const held = [connect()]
  for (const agent of held) expect(await ask(agent)).toBe('apple')
  expect(await form()).toBe('whole')

  const load = new Load({ url, host: 'fruit.example.com', keepAliveClients: 25, newConnectionClients: 25 })
  await sleep(300)
  let service = 'apple'
  for (const [routes, expected] of [
    [large, '64'],
    [middle, '64'],
    [many, '256'],
    [large, '64'],
    [small, 'whole'],
    [middle, 'whole'],
    [large, '64'],
    [small, 'whole'],
  ] as const) {
    fixture.apply('routes', routes)
    await fixture.eventually(async () => expect(await form()).toBe(expected))
    await sleep(200)
    held.push(connect())
    service = service === 'apple' ? 'pear' : 'apple'
    fixture.apply('fruit', fruit(service))
    await fixture.eventually(async () => expect(await ask(held.at(-1) as Agent)).toBe(service))
    await sleep(200)
    // Whatever table a connection hangs on, it is the current one.
    expect(await Promise.all(held.map(ask))).toEqual(held.map(() => service))
  }
  const result = await load.stop()
  expect(result.failures, JSON.stringify(result.statuses)).toEqual([])
  expect(Object.keys(result.statuses)).toEqual(['200'])
  expect(Object.keys(result.services).sort()).toEqual(['apple', 'pear'])
  expect(await readStat('listener_manager.lds.update_rejected')).toBe(0)
  // In place: the socket and the other chains of the listener stay.
  expect(await readStat('listener_manager.listener_in_place_updated')).toBe(6)
  expect(fixture.fileProblems).toEqual([])
})

it('each HTTPS listener has divided tables of its own, whatever is in its hostname', async () => {
  const backend = await start('echo')
  const authority = issueCertificate({ commonName: 'CA', isAuthority: true, keyType: 'rsa-2048' })
  const dnsNames = ['*.example.com', 'one.example.com', 'else.test']
  const leaf = issueCertificate({ commonName: 'leaf', dnsNames, issuer: authority, keyType: 'rsa-2048' })
  const listener = (name: string, hostname: string) => `
    - name: ${name}
      protocol: HTTPS
      port: 8443${hostname === '' ? '' : `\n      hostname: "${hostname}"`}
      tls: { certificateRefs: [{ name: cert }] }`
  const fixture = await StandaloneFixture.start(
    {
      gateway: gateway.replace(
        'listeners:',
        `listeners:${listener('any', '')}${listener('wild', '*.example.com')}${listener('one', 'one.example.com')}\n#`,
      ),
      secret: tlsSecretYaml('cert', leaf.certificate, leaf.privateKey),
      backend: echoYaml(backend, 'echo'),
      routes: manyRoutes(['', 'else.test', '*.example.com', 'a.example.com', 'one.example.com'], 'echo'),
    },
    { tables: 'always' },
  )
  cleanups.push(() => fixture.stop())
  const text = await dump(fixture)
  for (const table of ['port-8443/*', 'port-8443/*.example.com', 'port-8443/one.example.com'])
    expect(text).toContain(`ScopedRouteConfiguration/${table}/16/*`)
  const ask = async (host: string) => {
    const { status, echo } = await fixture.get('default/web/any', '/', { host, ca: authority.certificate })
    return status === 200 ? echo.headers['X-Route']?.join() : status
  }
  expect(await ask('else.test')).toBe('else.test')
  expect(await ask('a.example.com:8443')).toBe('a.example.com')
  expect(await ask('b.example.com')).toBe('*.example.com')
  expect(await ask('ONE.example.com')).toBe('one.example.com')
})

it('a new Service with its route is never answered by anything but 404 or 200', async () => {
  const backend = await start('echo')
  const fixture = await StandaloneFixture.start({ gateway }, { tables: 'always' })
  cleanups.push(() => fixture.stop())
  const answers: Record<number, number> = {}
  for (let i = 0; i < 50; i++) {
    const route = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: new-${i} }
spec:
  parentRefs: [{ name: web }]
  hostnames: [new-${i}.test]
  rules: [{ backendRefs: [{ name: new-${i}, port: 3000 }] }]
`
    fixture.apply(`new-${i}`, `${backendYaml(backend, { service: `new-${i}` })}${route}`)
    for (let status = 0; status !== 200; ) {
      status = (await fixture.get('default/web/http', '/', { host: `new-${i}.test` })).status
      answers[status] = (answers[status] ?? 0) + 1
    }
  }
  expect(Object.keys(answers)).toEqual(['200', '404'])
})
