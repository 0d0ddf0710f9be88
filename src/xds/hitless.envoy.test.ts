import { Agent, get } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import {
  envoyCluster,
  envoyEndpoints,
  envoyListener,
  envoyTable,
  findFreePort,
  startBackend,
  XdsEnvoy,
} from '../testing/xds-envoy.ts'
import { XdsServerBed } from '../testing/xds-server.ts'

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

const keepAlive = new Agent({ keepAlive: true, maxSockets: 50 })

/** One request; the status, or the error. */
function request(port: number, path: string, agent: Agent | undefined = keepAlive): Promise<string> {
  return new Promise((resolve) => {
    const call = get({ host: '127.0.0.1', port, path, ...(agent && { agent }) }, (response) => {
      let body = ''
      response.on('data', (chunk) => {
        body += chunk
      })
      response.on('end', () => resolve(`${response.statusCode} ${body}`))
    })
    call.on('error', (error) => resolve(String(error)))
  })
}

for (const variant of ['delta', 'sotw'] as const) {
  test(`${variant}: new clusters and routes are never answered by anything but 404 or 200`, async () => {
    const bed = await XdsServerBed.start({ linger: 300, drainTime: 300 })
    cleanups.push(() => bed.stop())
    const backend = await startBackend('one')
    cleanups.push(() => backend.stop())
    const port = await findFreePort()
    bed.put(envoyListener('l', port, 't'), envoyTable('t', []))
    const xdsPort = Number(bed.address.split(':')[1])
    const proxy = await XdsEnvoy.start({ xdsPort, variant, token: 'token-a' })
    cleanups.push(() => proxy.stop())
    await expect.poll(() => request(port, '/'), { timeout: 10_000 }).toMatch(/^404/)
    const bad: string[] = []
    for (let i = 0; i < 100; i++) {
      const name = `c${i}`
      const started = performance.now()
      bed.put(
        envoyCluster(name),
        envoyEndpoints(name, [backend.port]),
        envoyTable('t', [{ prefix: `/${i}`, cluster: name }]),
      )
      for (;;) {
        const answer = await request(port, `/${i}`)
        if (answer.startsWith('200')) break
        if (!answer.startsWith('404')) bad.push(answer)
        if (performance.now() - started > 3000) throw new Error(`route ${i} never came: ${answer}\n${proxy.log}`)
      }
      if (i > 0)
        bed.change(
          [],
          [
            ['cluster', `c${i - 1}`],
            ['endpoint', `c${i - 1}`],
          ],
        )
    }
    expect(bad).toEqual([])
  })
}
