import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, it } from 'vitest'
import { gatewayClassYaml, gatewayYaml } from './testing/builders.ts'
import { startEchoBackend } from './testing/echo-backend.ts'
import { backendYaml, StandaloneFixture } from './testing/standalone-fixture.ts'

const batches = 50
const batchSize = 20
const poll = 5

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const routeYaml = (name: string) => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name} }
spec:
  parentRefs: [{ name: web }]
  hostnames: [${name}.example.com]
  rules: [{ backendRefs: [{ name: ${name}, port: 3000 }] }]
---
`

function ask(url: string, host: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { agent, headers: { host } }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    }).on('error', reject)
  })
}

/** Asks until the first 200; gives every other answer on the way. */
async function pollUntilServed(url: string, host: string, agent: Agent): Promise<Set<number>> {
  const before = new Set<number>()
  const deadline = performance.now() + 15_000
  for (;;) {
    const status = await ask(url, host, agent)
    if (status === 200) return before
    before.add(status)
    if (performance.now() > deadline) throw new Error(`${host} was never served: ${[...before]}`)
    await sleep(poll)
  }
}

it(`${batches * batchSize} new routes to new Services, polled from before they exist, answer 404 and then 200 and nothing else`, async () => {
  const backend = await startEchoBackend({ service: 'echo' })
  cleanups.push(() => backend.close())
  const listeners = '[{name: http, port: 8080, protocol: HTTP}]'
  const fixture = await StandaloneFixture.start({ fixed: gatewayClassYaml + gatewayYaml('web', listeners) })
  cleanups.push(() => fixture.stop())
  const url = fixture.url('default/web/http')
  const agent = new Agent({ keepAlive: true, maxSockets: batchSize })
  cleanups.push(() => agent.destroy())
  for (let batch = 0; batch < batches; batch++) {
    const names = Array.from({ length: batchSize }, (_, i) => `route-${batch}-${i}`)
    const served = names.map((name) => pollUntilServed(url, `${name}.example.com`, agent))
    await sleep(poll * 2)
    fixture.apply(
      `batch-${batch}`,
      names.map((name) => routeYaml(name) + backendYaml(backend, { service: name })).join(''),
    )
    for (const [i, before] of (await Promise.all(served)).entries())
      expect([names[i], ...before]).toEqual([names[i], 404])
  }
  expect(fixture.fileProblems).toEqual([])
})
