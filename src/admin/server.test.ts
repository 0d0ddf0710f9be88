import { Buffer } from 'node:buffer'
import { spawnSync } from 'node:child_process'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, test } from 'vitest'
import { type Logger, silentLogger } from '../base/logger.ts'
import { Scheduler } from '../collections/scheduler.ts'
import { createOfflineControlPlane } from '../control-plane.ts'
import { namespacedName } from '../gatewayapi/object-key.ts'
import { applyObjects, parseObjects, testControllerName } from '../testing/builders.ts'
import { issueCertificate } from '../testing/certificates.ts'
import { XdsCounters } from '../xds/counters.ts'
import type { ProxyStatus } from '../xds/proxy-status.ts'
import { createCollectionMetrics } from './collection-metrics.ts'
import { singleMetric } from './metric.ts'
import { createProcessMetrics } from './process-metrics.ts'
import { type AdminOptions, type AdminServer, createAdminServer } from './server.ts'
import { createXdsMetrics } from './xds-metrics.ts'

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

const servers: AdminServer[] = []

async function start(options: Partial<AdminOptions> = {}): Promise<string> {
  const server = createAdminServer({
    address: '127.0.0.1:0',
    ready: () => ({ ready: true, reasons: [] }),
    metrics: [],
    collections: new Scheduler(),
    logger: silentLogger,
    ...options,
  })
  servers.push(server)
  return await server.listen()
}

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

/** `fetch` does not let tests choose the Host or send an odd path. */
function ask(address: string, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  const [host, port] = [address.slice(0, address.lastIndexOf(':')), address.slice(address.lastIndexOf(':') + 1)]
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: host.replace(/[[\]]/g, ''), port, path, method, headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString('utf8'),
        }),
      )
    })
    request.on('error', reject)
    request.end()
  })
}

describe('The admin port', () => {
  test('says that it is alive, and whether and why not it is ready', async () => {
    let reasons: string[] = ['HTTPRoutes are not loaded.']
    const address = await start({ ready: () => ({ ready: reasons.length === 0, reasons }) })
    expect(await ask(address, '/healthz')).toMatchObject({ status: 200 })
    const unready = await ask(address, '/readyz')
    expect(unready.status).toBe(503)
    expect(JSON.parse(unready.body)).toEqual({ ready: false, reasons: ['HTTPRoutes are not loaded.'] })
    reasons = []
    expect(await ask(address, '/readyz')).toMatchObject({ status: 200 })
  })

  test('says that it is unhealthy when the process says so', async () => {
    const address = await start({ health: () => ({ ready: false, reasons: ['The lease loop stands still.'] }) })
    expect(await ask(address, '/healthz')).toMatchObject({
      status: 503,
      body: expect.stringContaining('stands still') as string,
    })
  })

  test('serves metrics of the process, the xDS server and the engine', async () => {
    const scheduler = new Scheduler()
    const numbers = scheduler.source<string, number>('numbers')
    scheduler.batch(() => numbers.set('a', 1))
    const counters = new XdsCounters()
    counters.streams = 2
    counters.add(counters.acks, 'type.googleapis.com/envoy.config.cluster.v3.Cluster', 3)
    const address = await start({
      metrics: [
        ...createProcessMetrics(),
        ...createXdsMetrics(counters),
        ...createCollectionMetrics(() => scheduler.statistics()),
      ],
    })
    const { status, headers, body } = await ask(address, '/metrics')
    expect(status).toBe(200)
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(body).toContain('\ngatewright_xds_streams_count 2\n')
    expect(body).toContain('\ngatewright_xds_acks_total{type="Cluster"} 3\n')
    expect(body).toContain('\ngatewright_collections_entries_count{collection="numbers"} 1\n')
    expect(Number(/^process_resident_memory_bytes (\d+)$/m.exec(body)?.[1])).toBeGreaterThan(10_000_000)
    expect(body).toMatch(/^gatewright_admin_event_loop_delay_seconds\{quantile="0.99"\} \S+$/m)
  })

  test('logs a metric that throws, and answers with the others', async () => {
    const errors: unknown[] = []
    const logger: Logger = { ...silentLogger, error: (message, fields) => void errors.push([message, fields]) }
    const broken = singleMetric('gauge', 'broken', 'h', () => {
      throw new Error('no')
    })
    const address = await start({ logger, metrics: [broken, singleMetric('gauge', 'good', 'h', () => 1)] })
    const { body } = await ask(address, '/metrics')
    expect(body).toContain('good 1')
    expect(errors).toEqual([
      [
        'A metric could not be read',
        { metric: 'broken', error: expect.objectContaining({ message: 'no' }) as unknown },
      ],
    ])
  })

  test('lists proxies where there are some to list', async () => {
    const proxy: ProxyStatus = {
      scope: 'default/web',
      node: 'n',
      agent: 'envoy 1.40.0',
      peer: '10.0.0.1:1',
      variant: 'delta',
      connectedSince: '2026-05-01T12:00:00.000Z',
      bytesSent: 1,
      settled: true,
      draining: false,
      removalsWaitFor: [],
      types: [],
    }
    const { status, body } = await ask(await start({ proxies: () => [proxy] }), '/debug/proxies')
    expect([status, JSON.parse(body)]).toEqual([200, { proxies: [proxy] }])
    expect(await ask(await start(), '/debug/proxies')).toMatchObject({ status: 404 })
  })

  test('shows the collections, the keys of one, and why an entry is what it is', async () => {
    const scheduler = new Scheduler()
    const numbers = scheduler.source<string, number>('numbers')
    scheduler.derive('doubled', numbers, (n) => ({ n: n * 2 }))
    scheduler.batch(() => numbers.set('a/b', 1))
    const address = await start({ collections: scheduler })
    const dump = JSON.parse((await ask(address, '/debug/collections')).body) as { collections: { name: string }[] }
    expect(dump.collections.map((c) => c.name)).toEqual(['numbers', 'doubled'])
    expect(JSON.parse((await ask(address, '/debug/collections?name=doubled')).body)).toEqual({
      name: 'doubled',
      size: 1,
      keys: ['a/b'],
    })
    expect(JSON.parse((await ask(address, '/debug/collections?name=doubled&key=a%2Fb')).body)).toMatchObject({
      value: { n: 2 },
      inputs: [{ collection: 'numbers', key: 'a/b' }],
    })
    expect(await ask(address, '/debug/collections?name=none')).toMatchObject({ status: 404 })
  })

  test('changes nothing: only GET and HEAD are answered', async () => {
    const address = await start()
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE'])
      expect((await ask(address, '/healthz', {}, method)).status, method).toBeGreaterThanOrEqual(400)
    expect(await ask(address, '/healthz', {}, 'HEAD')).toMatchObject({ status: 200, body: '' })
    expect((await ask(address, '/quitquitquit')).status).toBe(404)
  })

  test('answers its own names and IP addresses only, and no pages', async () => {
    const address = await start({ hosts: ['gatewright-metrics.gatewright-system.svc'] })
    const status = async (headers: Record<string, string>) => (await ask(address, '/metrics', headers)).status
    for (const host of ['10.1.2.3:19001', '[::1]:19001', 'localhost', 'GATEWRIGHT-metrics.gatewright-system.svc:19001'])
      expect(await status({ host }), host).toBe(200)
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.nip.io', '999.1.1.1'])
      expect(await status({ host }), host).toBeGreaterThanOrEqual(400)
    expect(await status({ host: 'localhost', origin: 'http://localhost' })).toBe(403)
  })

  test('shows the collections to callers on the loopback interface only', async ({ skip }) => {
    const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
    const outer = addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address
    if (outer === undefined) return skip('this machine has no address but loopback')
    const address = (await start({ address: '0.0.0.0:0' })).replace(/^.*:/, `${outer}:`)
    expect((await ask(address, '/healthz')).status).toBe(200)
    for (const path of ['/debug/collections', '/%64ebug/collections', '/debug/collections?name=Secret'])
      expect((await ask(address, path)).status, path).toBe(403)
    for (const path of ['//debug/collections', '/healthz/../debug/collections', '/DEBUG/collections'])
      expect((await ask(address, path)).status, path).toBe(404)
  })

  test('A8: tells nothing of a key, wherever it looks', async () => {
    const { certificate, privateKey } = issueCertificate({ dnsNames: ['example.com'] })
    const base64 = (text: string) => Buffer.from(text).toString('base64')
    const logged: string[] = []
    const log = (message: string, fields: unknown) => void logged.push(`${message} ${JSON.stringify(fields)}`)
    const logger: Logger = { debug: log, info: log, warn: log, error: log }
    const controlPlane = createOfflineControlPlane({ controllerNames: [testControllerName], logger })
    const { scheduler } = controlPlane
    // A bug that quotes what it fell over.
    scheduler.derive('SecretReader', controlPlane.sources.secrets, (secret) => {
      if (secret.metadata.name === 'quoted') throw new Error(`unexpected ${secret.data['password']}`)
      return undefined
    })
    applyObjects(
      controlPlane,
      parseObjects(`
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: gatewright}
spec: {controllerName: ${testControllerName}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: gatewright
  listeners:
  - {name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert}]}}
---
apiVersion: v1
kind: Secret
metadata: {name: cert}
type: kubernetes.io/tls
data: {tls.crt: ${base64(certificate)}, tls.key: ${base64(privateKey)}}
---
apiVersion: v1
kind: Secret
metadata: {name: quoted}
data: {password: ${base64('a very secret canary')}}
`),
    )
    const address = await start({
      collections: scheduler,
      metrics: createCollectionMetrics(() => scheduler.statistics()),
    })

    const answers = [(await ask(address, '/debug/collections')).body, (await ask(address, '/metrics')).body]
    let explained = 0
    for (const { name } of scheduler.dump().collections) {
      for (const key of scheduler.keysNamed(name) ?? []) {
        const query = `?name=${encodeURIComponent(name)}&key=${encodeURIComponent(key)}`
        answers.push((await ask(address, `/debug/collections${query}`)).body)
        explained++
      }
    }
    expect(explained).toBeGreaterThan(10)
    // That the Secret was looked at is what makes its absence mean something.
    const secret = scheduler.explain(controlPlane.sources.secrets, namespacedName('default', 'cert'))
    expect(JSON.stringify(secret.value)).toContain(base64(privateKey).slice(0, 40))
    const told = answers.join('\n')
    expect(told).toContain('"tls.key": "[redacted]"')
    // Pieces of the middle of the key, as it is and in base64 at each alignment, and its raw bytes.
    const body = privateKey.replaceAll(/-----.*-----|\s/g, '')
    const canaries = [
      body.slice(40, 72),
      base64(privateKey).slice(80, 112),
      base64('a very secret canary'),
      'a very secret canary',
      Buffer.from(body, 'base64').subarray(40, 60).toString('hex'),
      ...[0, 1, 2].map((n) => base64(privateKey.slice(n)).slice(80, 112)),
    ]
    for (const canary of canaries) expect(told.includes(canary), canary).toBe(false)
  })

  test('A21: works without Object.prototype.__proto__', () => {
    const script = `
      const { createAdminServer } = await import('${new URL('server.ts', import.meta.url).href}')
      const { Scheduler } = await import('${new URL('../collections/scheduler.ts', import.meta.url).href}')
      const { silentLogger } = await import('${new URL('../base/logger.ts', import.meta.url).href}')
      if ('__proto__' in {}) throw new Error('the flag has no effect')
      const server = createAdminServer({ address: '127.0.0.1:0', ready: () => ({ ready: true, reasons: [] }),
        metrics: [], collections: new Scheduler(), logger: silentLogger })
      const address = await server.listen()
      for (const path of ['healthz', 'readyz', 'metrics', 'debug/collections?name=__proto__', '__proto__', 'debug/collections'])
        console.log(path, (await fetch('http://' + address + '/' + path)).status)
      await server.close()`
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--disable-proto=delete', '--input-type=module', '-e', script],
      {
        encoding: 'utf8',
      },
    )
    expect(stderr).toBe('')
    expect(stdout.trim().split('\n')).toEqual([
      'healthz 200',
      'readyz 200',
      'metrics 200',
      'debug/collections?name=__proto__ 404',
      '__proto__ 404',
      'debug/collections 200',
    ])
  })

  test('closes at once, although callers hold connections', async () => {
    const address = await start()
    const port = Number(address.slice(address.lastIndexOf(':') + 1))
    const socket = connect(port, '127.0.0.1')
    const closed = new Promise<void>((resolve) => {
      socket.on('error', () => resolve())
      socket.on('close', () => resolve())
    })
    await new Promise<void>((resolve) => socket.on('connect', resolve))
    socket.write('GET /healthz HTTP/1.1\r\n')
    const before = performance.now()
    await servers.pop()?.close()
    await closed
    expect(performance.now() - before).toBeLessThan(2_000)
  })
})
