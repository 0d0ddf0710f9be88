import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KubernetesObject } from '../gatewayapi/kinds.ts'
import { gatewayClassYaml, parseObjects } from '../testing/builders.ts'
import { Choices, makeRequest, makeRouteSet, mostServices, type RequestCase } from '../testing/random-route-set.ts'
import { findOutcome, type Outcome } from '../testing/reference-matcher.ts'
import { buildGateway, buildRoute, buildService, serviceName } from '../testing/route-set-objects.ts'
import { repeat } from '../testing/standalone-fixture.ts'
import { type StaticAnswer, StaticEnvoy } from '../testing/static-envoy.ts'
import { startTwoProtocolServer, type TwoProtocolServer } from '../testing/two-protocol-server.ts'

/* The random routes of precedence.test.ts, with stock Envoy as the judge: each set has a port of its own. */

const setsAtOnce = 15
const requestsPerSet = 350
const rounds = [1, 2, 3, 4]

const servers: TwoProtocolServer[] = []
let services: KubernetesObject[] = []

const sliceYaml = (namespace: string, service: number, port: number) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${serviceName(service)}-a, namespace: ${namespace}, labels: {kubernetes.io/service-name: ${serviceName(service)}}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1], conditions: {ready: true}}]
ports: [{port: ${port}}]
---
`

beforeAll(async () => {
  for (let service = 0; service < mostServices; service++)
    servers.push(
      await startTwoProtocolServer((request, response) => {
        request.resume()
        response.setHeader('x-service', String(service))
        response.end()
      }),
    )
  services = ['m', 'n'].flatMap((namespace) =>
    servers.flatMap(({ port }, service) => [
      buildService(namespace, service),
      ...parseObjects(sliceYaml(namespace, service, port)),
    ]),
  )
})
afterAll(async () => {
  for (const server of servers) await server.close()
})

/** For gRPC requests Envoy answers 200 itself, with the status in a header. */
function outcomeOf({ status, headers }: StaticAnswer): Outcome | string {
  if (headers['x-service'] !== undefined) return Number(headers['x-service'])
  const code = headers['grpc-status']
  if (status === 404 || code === '12') return 'not found'
  return status === 500 || code === '14' || code === '2' ? 'failure' : `status ${status}, grpc-status ${code}`
}

function send(envoy: StaticEnvoy, port: number, request: RequestCase): Promise<StaticAnswer> {
  const { host, path, query, method, headers, grpc } = request
  const search = query.map(([name, value]) => `${name}=${value}`).join('&')
  const more = grpc ? { 'content-type': 'application/grpc', te: 'trailers' } : {}
  return envoy.send(port, search === '' ? path : `${path}?${search}`, {
    host,
    method,
    headers: { ...headers, ...more },
  })
}

describe(`${rounds.length * setsAtOnce * requestsPerSet} requests through stock Envoy get the rule that the specification says`, () => {
  test.each(rounds)('round %i', async (round) => {
    const choices = new Choices(round * 1_000_003)
    const sets = new Map(Array.from({ length: setsAtOnce }, (_, i) => [2000 + i, makeRouteSet(choices)] as const))
    const envoy = await StaticEnvoy.start([
      ...parseObjects(gatewayClassYaml),
      ...services,
      buildGateway('g', sets),
      ...[...sets].flatMap(([port, set]) => set.routes.map((r) => buildRoute(r, 'g', port, `-${port}`))),
    ])
    const wrong: string[] = []
    let routed = 0
    try {
      for (const [port, set] of sets) {
        const requests = Array.from({ length: requestsPerSet }, () => makeRequest(choices))
        await repeat(requests.length, async (index) => {
          const request = requests[index] as RequestCase
          const expected = findOutcome(set, request)
          const actual = outcomeOf(await send(envoy, port, request))
          if (typeof expected === 'number') routed++
          if (actual !== expected)
            wrong.push(`${JSON.stringify(request)} goes to ${actual}, not ${expected}, of ${JSON.stringify(set)}`)
        })
      }
    } finally {
      await envoy.stop()
    }
    expect(wrong.slice(0, 3)).toEqual([])
    expect(routed).toBeGreaterThan((setsAtOnce * requestsPerSet) / 10)
  })
})
