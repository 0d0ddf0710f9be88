import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { gatewayYaml, httpRouteYaml, serviceYaml } from './testing/builders.ts'
import { type EchoBackend, startEchoBackend } from './testing/echo-backend.ts'
import { Load } from './testing/load.ts'
import { ServingFixture } from './testing/serving-fixture.ts'

/**
 * Rules of one route move, come and go under load, and each has a Service of its own. No request may reach the
 * Service of another rule: where names on the wire depend on the position of a rule, it does.
 */

const changes = 200
const host = 'fruit.example.com'
const fruits = ['apple', 'pear', 'plum', 'fig', 'lime'] as const
const backends: EchoBackend[] = []
let fixture: ServingFixture

const sliceYaml = (service: string, { address, port }: EchoBackend) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${service}-a, labels: {kubernetes.io/service-name: ${service}}}
addressType: IPv4
endpoints: [{addresses: [${address}]}]
ports: [{port: ${port}}]
---
`
const rule = (fruit: string, filter = '') =>
  `{matches: [{path: {value: /${fruit}}}],${filter} backendRefs: [{name: ${fruit}, port: 80}]}`
/** The rule that shows which turn it is; nobody but the test asks for it. */
const probe = (turn: number) =>
  rule(
    'lime',
    ` filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-mark, value: "${turn}"}]}}],`,
  )
const apply = (rules: readonly string[]) =>
  fixture.apply(
    httpRouteYaml('fruit', `  parentRefs: [{name: web}]\n  hostnames: [${host}]\n  rules: [${rules.join(', ')}]`),
  )

beforeAll(async () => {
  for (const service of fruits) backends.push(await startEchoBackend({ service }))
  const services = fruits.map((fruit, i) => `${serviceYaml(fruit)}---${sliceYaml(fruit, backends[i] as EchoBackend)}`)
  fixture = await ServingFixture.start(
    gatewayYaml('web', '[{name: http, protocol: HTTP, port: 8080}]') + services.join(''),
  )
})
afterAll(async () => {
  await fixture?.stop()
  for (const backend of backends) await backend.close()
})

/**
 * A rule that two turns in a row have must answer all the time between them; one that comes or goes may be missing.
 * @param rulesOf the fruits of a turn in the order of their rules, without the probe, whose place turns, too
 */
async function underLoad(rulesOf: (turn: number) => readonly string[]) {
  const turnTo = async (turn: number) => {
    const rules = rulesOf(turn).map((fruit) => rule(fruit))
    const place = turn % (rules.length + 1)
    apply([...rules.slice(0, place), probe(turn), ...rules.slice(place)])
    await fixture.envoy.askUntil('/lime', host, [`lime:${turn}`])
  }
  const outcomes = (...turns: readonly number[]) =>
    Object.fromEntries(
      fruits
        .filter((fruit) => fruit !== 'lime')
        .map((fruit) => {
          const present = turns.map((turn) => rulesOf(turn).includes(fruit))
          return [
            `/${fruit}`,
            [...(present.includes(true) ? [fruit] : []), ...(present.includes(false) ? ['404'] : [])],
          ]
        }),
    )
  await turnTo(0)
  const load = new Load({
    url: fixture.envoy.url(8080, 'http'),
    host,
    protocols: ['http1', 'http2'],
    keepAliveClients: 20,
    newConnectionClients: 10,
    allowed: outcomes(0),
  })
  await load.running
  for (let turn = 1; turn <= changes; turn++) {
    await load.allow(outcomes(turn - 1, turn))
    await turnTo(turn)
  }
  const result = await load.stop()
  expect([result.failed, result.misrouted], result.failures.join('\n')).toEqual([0, 0])
  expect(result.requests).toBeGreaterThan(changes)
  return result
}

describe(`${changes} times under load, over HTTP/1.1 and HTTP/2, 0 requests fail and 0 reach the Service of another rule`, () => {
  it('while rules are reordered', async () => {
    const orders = [
      ['apple', 'pear', 'plum', 'fig'],
      ['fig', 'plum', 'pear', 'apple'],
      ['plum', 'apple', 'fig', 'pear'],
    ]
    const { services } = await underLoad((turn) => orders[turn % orders.length] ?? [])
    expect(Object.keys(services).sort()).toEqual(['apple', 'fig', 'pear', 'plum'])
  })

  it('while a rule is inserted before, between and after others, and taken out again', async () => {
    const { services, statuses } = await underLoad((turn) => {
      const rules = ['apple', 'pear', 'plum']
      const place = (turn >> 1) % 4
      return turn % 2 === 0 ? rules : [...rules.slice(0, place), 'fig', ...rules.slice(place)]
    })
    // Both must have been seen, or nothing came and went.
    expect(services['fig']).toBeGreaterThan(0)
    expect(statuses['404']).toBeGreaterThan(0)
  })

  it('while the first rule is removed, and another is put at the end', async () => {
    const ring = ['apple', 'pear', 'plum', 'fig']
    const { statuses } = await underLoad((turn) => [0, 1, 2].map((i) => ring[(turn + i) % ring.length] as string))
    expect(statuses['404']).toBeGreaterThan(0)
  })
})
