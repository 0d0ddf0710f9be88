import { X509Certificate } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { gatewayYaml, httpRouteYaml, serviceYaml, tlsSecretYaml } from './testing/builders.ts'
import { type IssuedCertificate, issueCertificate } from './testing/certificates.ts'
import { type EchoBackend, startEchoBackend } from './testing/echo-backend.ts'
import { type AllowedOutcomes, Load } from './testing/load.ts'
import { ServingFixture } from './testing/serving-fixture.ts'

/*
 * What changes while 100 clients ask without pause, and what none of them may notice.
 *
 * Features: GatewayPort8080.
 */

const changes = 100
const host = 'fruit.example.com'
const fruits = ['apple', 'pear', 'plum'] as const

const listeners = `
  - {name: http, protocol: HTTP, port: 8080}
  - {name: https, protocol: HTTPS, port: 8443, hostname: ${host}, tls: {certificateRefs: [{name: cert}]}}`

/** An EndpointSlice of a Service; without a backend it has no endpoints. */
const sliceYaml = (service: string, backend: EchoBackend | undefined) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${service}-a, labels: {kubernetes.io/service-name: ${service}}}
addressType: IPv4
endpoints: ${backend === undefined ? '[]' : `[{addresses: [${backend.address}]}]`}
ports: [{port: ${backend?.port ?? 80}}]
---
`

const routeYaml = (rules: readonly string[], name = 'fruit', hostname = host) =>
  httpRouteYaml(name, `  parentRefs: [{name: web}]\n  hostnames: [${hostname}]\n  rules: [${rules.join(', ')}]`)

const to = (service: string, weight = 1) => `{name: ${service}, port: 80, weight: ${weight}}`
/** Tells the service which version of the route led to it. */
const mark = (turn: number | string) =>
  `{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-mark, value: "${turn}"}]}}`
const rule = (services: readonly string[], more: { path?: string; filters?: readonly string[] } = {}) => {
  const match = more.path === undefined ? '' : `matches: [{path: {value: ${more.path}}}], `
  const filters = more.filters === undefined ? '' : `filters: [${more.filters.join(', ')}], `
  return `{${match}${filters}backendRefs: [${services.join(', ')}]}`
}

describe('no request fails and none is misrouted, over HTTP/1.1 and HTTP/2', () => {
  const authority = issueCertificate({ commonName: 'authority', isAuthority: true })
  const issue = () => issueCertificate({ commonName: 'fruit', dnsNames: [host], issuer: authority })
  const backends = new Map<string, EchoBackend>()
  let fixture: ServingFixture

  const backendOf = (fruit: string): EchoBackend => backends.get(fruit) as EchoBackend
  const fruitAt = (turn: number): string => fruits[turn % fruits.length] as string

  beforeAll(async () => {
    for (const service of fruits) backends.set(service, await startEchoBackend({ service }))
    const services = fruits.map((fruit) => `${serviceYaml(fruit)}---${sliceYaml(fruit, backendOf(fruit))}`)
    const { certificate, privateKey } = issue()
    fixture = await ServingFixture.start(
      gatewayYaml('web', listeners) + services.join('') + tlsSecretYaml('cert', certificate, privateKey),
    )
  })

  afterAll(async () => {
    await fixture?.stop()
    for (const backend of backends.values()) await backend.close()
  })

  /**
   * Runs the changes under load. Each change waits until the one before is seen to have taken effect, and from
   * then on what only the state before it allowed is misrouted. Nothing but what is allowed may be answered, and
   * listeners stay as they are.
   */
  async function underLoad(
    allowed: AllowedOutcomes,
    run: (load: Load) => Promise<void>,
    { scheme = 'http', port = 8080 } = {},
  ) {
    const { envoy } = fixture
    const counters = () =>
      envoy.stats(
        '^(listener_manager|cluster_manager|http|sds)\\..*(listener_(modified|removed|in_place_updated)|update_rejected)$',
      )
    for (const [path, outcomes] of Object.entries(allowed)) await envoy.askUntil(path, host, outcomes)
    const before = await counters()
    const load = new Load({
      url: envoy.url(port, scheme),
      host,
      protocols: ['http1', 'http2'],
      ca: authority.certificate,
      keepAliveClients: 50,
      newConnectionClients: 50,
      allowed,
    })
    await load.running
    await run(load)
    const result = await load.stop()
    expect([result.failed, result.misrouted], result.failures.join('\n')).toEqual([0, 0])
    expect(result.answers.http1).toBeGreaterThan(changes)
    expect(result.answers.http2).toBeGreaterThan(changes)
    expect(await counters()).toEqual(before)
    return result
  }

  it(`a route retargeted to a new Service, ${changes} times`, async () => {
    const name = (turn: number) => `${fruitAt(turn)}-${turn}`
    /** The Service comes with the route that needs it, and the one before goes with it. */
    const turnTo = (turn: number) => {
      const gone = [['Service', name(turn - 1)] as const, ['EndpointSlice', `${name(turn - 1)}-a`] as const]
      const yaml =
        serviceYaml(name(turn)) +
        sliceYaml(name(turn), backendOf(fruitAt(turn))) +
        routeYaml([rule([to(name(turn))], { filters: [mark(turn)] })])
      fixture.apply(yaml, ...(turn > 0 ? gone : []))
    }
    const outcome = (turn: number) => `${fruitAt(turn)}:${turn}`
    turnTo(0)
    await underLoad({ '/': [outcome(0)] }, async (load) => {
      for (let turn = 1; turn <= changes; turn++) {
        await load.allow({ '/': [outcome(turn - 1), outcome(turn)] })
        turnTo(turn)
        await fixture.envoy.askUntil('/', host, [outcome(turn)])
      }
    })
  })

  it(`rules reordered, ${changes} times`, async () => {
    const paths = ['/a', '/b', '/']
    const turnTo = (turn: number) => {
      const rules = paths.map((path, i) => rule([to(fruitAt(i))], { path, filters: [mark(turn)] }))
      fixture.apply(routeYaml([...rules.slice(turn % 3), ...rules.slice(0, turn % 3)]))
    }
    const outcomes = (...turns: readonly number[]) =>
      Object.fromEntries(paths.map((path, i) => [path, turns.map((turn) => `${fruitAt(i)}:${turn}`)]))
    turnTo(0)
    await underLoad(outcomes(0), async (load) => {
      for (let turn = 1; turn <= changes; turn++) {
        await load.allow(outcomes(turn - 1, turn))
        turnTo(turn)
        await fixture.envoy.askUntil('/', host, outcomes(turn)['/'] as string[])
      }
    })
  })

  it(`a filter added and removed, beside a route that comes and goes, ${changes} times`, async () => {
    const outcome = (turn: number) => (turn % 2 === 0 ? 'apple' : `apple:${turn}`)
    const turnTo = (turn: number) => {
      const filters = turn % 2 === 0 ? [] : [mark(turn), '{type: URLRewrite, urlRewrite: {hostname: other.test}}']
      const beside = routeYaml([rule([to('plum')])], 'beside', 'beside.example.com')
      const route = routeYaml([rule([to('apple')], { filters })])
      if (turn % 4 < 2) fixture.apply(route + beside)
      else fixture.apply(route, ['HTTPRoute', 'beside'])
    }
    turnTo(0)
    await underLoad({ '/': [outcome(0)] }, async (load) => {
      for (let turn = 1; turn <= changes; turn++) {
        await load.allow({ '/': [outcome(turn - 1), outcome(turn)] })
        turnTo(turn)
        await fixture.envoy.askUntil('/', host, [outcome(turn)])
      }
    })
  })

  it(`weights changed, ${changes} times`, async () => {
    const weights = (turn: number): readonly number[] => [turn % 3, (turn + 1) % 3, turn % 4]
    const turnTo = (turn: number) => {
      const backendRefs = fruits.map((fruit, i) => to(fruit, weights(turn)[i]))
      fixture.apply(routeYaml([rule(backendRefs, { filters: [mark(turn)] })]))
    }
    const outcomes = (turn: number) =>
      fruits.filter((_, i) => weights(turn)[i] !== 0).map((fruit) => `${fruit}:${turn}`)
    turnTo(0)
    const { services } = await underLoad({ '/': outcomes(0) }, async (load) => {
      for (let turn = 1; turn <= changes; turn++) {
        await load.allow({ '/': [...outcomes(turn - 1), ...outcomes(turn)] })
        turnTo(turn)
        await fixture.envoy.askUntil('/', host, outcomes(turn))
      }
    })
    expect(Object.keys(services).sort()).toEqual([...fruits])
  })

  it(`a Service switched every 20 ms, ${changes} times`, async () => {
    const turnTo = (turn: number) => fixture.apply(routeYaml([rule([to(turn % 2 === 0 ? 'apple' : 'pear')])]))
    turnTo(0)
    const { services } = await underLoad({ '/': ['apple'] }, async (load) => {
      await load.allow({ '/': ['apple', 'pear'] })
      for (let turn = 1; turn <= changes; turn++) {
        await sleep(20)
        turnTo(turn)
      }
      await fixture.envoy.askUntil('/', host, ['apple'])
    })
    expect(Object.keys(services).sort()).toEqual(['apple', 'pear'])
  })

  it(`a Service whose endpoints go and come back answers 503 only while it has none, ${changes} times`, async () => {
    fixture.apply(routeYaml([rule([to('apple')])]))
    const { statuses } = await underLoad({ '/': ['apple'] }, async (load) => {
      for (let turn = 1; turn <= changes; turn++) {
        await load.allow({ '/': ['apple', '503'] })
        fixture.apply(sliceYaml('apple', undefined))
        await fixture.envoy.askUntil('/', host, ['503'])
        fixture.apply(sliceYaml('apple', backendOf('apple')))
        await fixture.envoy.askUntil('/', host, ['apple'])
        await load.allow({ '/': ['apple'] })
        await sleep(5)
      }
    })
    expect(Object.keys(statuses).sort()).toEqual(['200', '503'])
  })

  it(`a certificate rotated, ${changes} times`, async () => {
    fixture.apply(routeYaml([rule([to('apple')])]))
    const show = ({ certificate, privateKey }: IssuedCertificate) =>
      fixture.apply(tlsSecretYaml('cert', certificate, privateKey))
    const https = { scheme: 'https', port: 8443 }
    await underLoad(
      { '/': ['apple'] },
      async () => {
        for (let turn = 1; turn <= changes; turn++) {
          const next = issue()
          show(next)
          await expect
            .poll(() => readFingerprint(fixture.envoy.url(8443)), { interval: 2, timeout: 5_000 })
            .toBe(new X509Certificate(next.certificate).fingerprint256)
        }
      },
      https,
    )
  })
})

/** Of the certificate that is shown to a new connection. */
function readFingerprint(url: string): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const options = { host: hostname, port: Number(port), servername: host, rejectUnauthorized: false }
    const socket = connect(options, () => {
      resolve(socket.getPeerCertificate().fingerprint256)
      socket.destroy()
    })
    socket.on('error', reject)
  })
}
