import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { get } from 'node:http'
import { type ClientHttp2Session, connect } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { startEchoBackend } from '../../testing/echo-backend.ts'
import { Load } from '../../testing/load.ts'
import { envoyCluster, envoyEndpoints, envoyListener, envoyTable, findFreePort } from '../../testing/xds-envoy.ts'
import { XdsServerBed } from '../../testing/xds-server.ts'
import { findEnvoy } from './envoy-binary.ts'
import { LocalEnvoy, type LocalEnvoyOptions } from './local-envoy.ts'
import { probeBind } from './port-binding.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

/** A control plane on a socket, an echo backend, and an Envoy that routes everything to it. */
async function serve(options: Partial<LocalEnvoyOptions> = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'gatewright-test-'))
  cleanups.push(() => rm(directory, { recursive: true, force: true }))
  const unixPath = join(directory, 'xds.sock')
  const bed = await XdsServerBed.start({ address: `unix:${unixPath}` })
  cleanups.push(() => bed.stop())
  const backend = await startEchoBackend({ service: 'echo' })
  cleanups.push(() => backend.close())
  const port = await findFreePort()
  bed.put(
    envoyCluster('echo'),
    envoyEndpoints('echo', [backend.port]),
    envoyListener('l', port, 't', `port-${port}`),
    envoyTable('t', [{ prefix: '/', cluster: 'echo' }]),
  )
  const envoy = new LocalEnvoy({
    binary: await findEnvoy(undefined),
    nodeId: 'default/web',
    xds: { unixPath, token: 'token-a' },
    concurrency: 2,
    logLevel: 'warn',
    strict: true,
    logger: silentLogger,
    clock: systemClock,
    ...options,
  })
  await envoy.start()
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= envoy.stop()
    return stopped
  }
  cleanups.push(stop)
  const url = `http://127.0.0.1:${port}`
  await expect.poll(() => ask(url), { timeout: 10_000, interval: 20 }).toBe(200)
  return { bed, backend, port, envoy, url, stop }
}

/** Asks over a new connection. @returns the status, or the code of the error */
function ask(url: string): Promise<number | string | undefined> {
  return new Promise((resolve) => {
    get(url, { agent: false }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode))
    }).on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
  })
}

/** @returns the status, or the code of the error */
function askOver(session: ClientHttp2Session, path: string): Promise<number | string | undefined> {
  return new Promise((resolve) => {
    const stream = session.request({ ':path': path })
    let status: number | undefined
    stream.on('response', (headers) => {
      status = headers[':status']
    })
    stream.on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
    stream.on('close', () => resolve(status))
    stream.resume().end()
  })
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('a local Envoy', () => {
  it('serves again within 2 s after kill -9, with its admin page where it was', async () => {
    const { envoy, url } = await serve()
    const [pid, adminUrl] = [envoy.pid as number, envoy.adminUrl]
    const killed = performance.now()
    process.kill(pid, 'SIGKILL')
    await expect.poll(() => envoy.pid, { interval: 5 }).not.toBe(pid)
    await expect.poll(() => ask(url), { timeout: 5000, interval: 10 }).toBe(200)
    expect(performance.now() - killed).toBeLessThan(2000)
    expect(envoy.pid).not.toBe(pid)
    expect(envoy.adminUrl).toBe(adminUrl)
  })

  it('lets a request finish that is in flight when it is stopped, and takes no new ones', async () => {
    const { url, stop } = await serve()
    const slow = ask(`${url}/?delay=1500`)
    await sleep(200)
    const begun = performance.now()
    const stopped = stop()
    await sleep(300)
    expect(await ask(url)).toBe('ECONNREFUSED')
    expect(await slow).toBe(200)
    await stopped
    expect(performance.now() - begun).toBeLessThan(3000)
  })

  it('loses no request of busy clients when it is stopped', async () => {
    const { url, stop } = await serve()
    const load = new Load({
      url: `${url}/?delay=5`,
      host: 'www.example.com',
      keepAliveClients: 8,
      newConnectionClients: 0,
    })
    await sleep(1000)
    const begun = performance.now()
    await stop()
    expect(performance.now() - begun).toBeLessThan(3000)
    const result = await load.stop()
    // Who comes after the end cannot connect; whoever was connected got an answer.
    expect(result.failures.filter((text) => !/ connect ECONNRE(FUSED|SET) /.test(text))).toEqual([])
    expect(result.statuses['200']).toBeGreaterThan(100)
  })

  it('finishes the requests of HTTP/2 clients and sends them elsewhere', async () => {
    const { url, stop } = await serve()
    const session = connect(url)
    const goneAway = new Promise((resolve) => session.once('goaway', resolve))
    const slow = askOver(session, '/?delay=1000')
    await sleep(200)
    const stopped = stop()
    const answers: (number | string | undefined)[] = []
    // Draining is told with the answer to a request, so one has to be answered.
    while (!session.closed && !session.destroyed) {
      answers.push(await askOver(session, '/?delay=5'))
      if (answers.length > 500) break
    }
    await goneAway
    expect(new Set(answers)).toEqual(new Set([200]))
    expect(await slow).toBe(200)
    await stopped
  })

  it('leaves neither a process nor a file nor a port when it is stopped', async () => {
    const before = await readdir(tmpdir())
    const { envoy, port, stop } = await serve()
    const pid = envoy.pid as number
    const own = (await readdir(tmpdir())).filter((n) => n.startsWith('gatewright-envoy-') && !before.includes(n))
    expect(own).toHaveLength(1)
    const directory = join(tmpdir(), own[0] as string)
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
    expect((await stat(join(directory, 'bootstrap.json'))).mode & 0o777).toBe(0o600)
    await stop()
    expect(isAlive(pid)).toBe(false)
    expect(await readdir(tmpdir())).not.toContain(own[0])
    expect(await probeBind('127.0.0.1', port)).toBe('free')
  })

  it('ends with its directory when the process that started it is killed with -9', async () => {
    const script = `
      const { LocalEnvoy } = await import('./src/providers/local-envoy/local-envoy.ts')
      const { findEnvoy } = await import('./src/providers/local-envoy/envoy-binary.ts')
      const { systemClock } = await import('./src/base/clock.ts')
      const { silentLogger: logger } = await import('./src/base/logger.ts')
      const xds = { unixPath: '/nonexistent/xds.sock', token: 'none' }
      const options = { nodeId: 'orphan', xds, concurrency: 1, logLevel: 'off', strict: true, logger, clock: systemClock }
      const envoy = new LocalEnvoy({ binary: await findEnvoy(undefined), ...options })
      await envoy.start()
      console.log(envoy.pid)
      setInterval(() => {}, 1000)`
    const directory = await mkdtemp(join(tmpdir(), 'gatewright-test-'))
    cleanups.push(() => rm(directory, { recursive: true, force: true }))
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, TMPDIR: directory },
    })
    const pid = Number(await new Promise((resolve) => parent.stdout.once('data', resolve)))
    expect(isAlive(pid)).toBe(true)
    expect(await readdir(directory)).toHaveLength(1)
    parent.kill('SIGKILL')
    await expect.poll(() => isAlive(pid), { timeout: 2000, interval: 10 }).toBe(false)
    await expect.poll(() => readdir(directory), { timeout: 2000, interval: 10 }).toEqual([])
  })

  it('is seen on its port, which it would share with another Envoy without a word', async () => {
    const { port } = await serve()
    expect(await probeBind('127.0.0.1', port)).toBe('in-use')
    expect(await probeBind('0.0.0.0', port)).toBe('in-use')
    expect(await probeBind('127.0.0.2', port)).toBe('free')
  })

  it('runs beside others', async () => {
    const [one, two] = [await serve(), await serve()]
    expect(await Promise.all([ask(one.url), ask(two.url)])).toEqual([200, 200])
    await one.stop()
    expect(await Promise.all([ask(one.url), ask(two.url)])).toEqual(['ECONNREFUSED', 200])
  })

  it('counts what operators and the protocol need, and little else', async () => {
    const { envoy, port, url } = await serve()
    await ask(`${url}/status/503`)
    const text = await (await fetch(`${envoy.adminUrl}/stats`)).text()
    const stats = new Map(text.split('\n').map((line) => line.split(': ') as [string, string]))
    expect(stats.get('cluster.echo.upstream_rq_5xx')).toBe('1')
    expect(Number(stats.get('cluster.echo.upstream_rq_2xx'))).toBeGreaterThan(0)
    expect(stats.get(`http.port-${port}.downstream_rq_5xx`)).toBe('1')
    // Envoy resumes paused acknowledgements by this gauge.
    expect(stats.get('cluster_manager.warming_clusters')).toBe('0')
    expect(stats.get('listener_manager.total_listeners_active')).toBe('1')
    expect(stats.get('control_plane.connected_state')).toBe('1')
    expect([...stats.keys()].filter((name) => name.startsWith('cluster.echo.')).length).toBeLessThan(20)
  })

  it('accepts a regular expression of more than the 100 instructions that Envoy allows by default', async () => {
    const { bed, url } = await serve()
    const regex = `/(${Array.from({ length: 60 }, (_, i) => `product${i}`).join('|')})[a-z0-9]{1,60}`
    bed.put(envoyTable('t', [{ prefix: '', regex, cluster: 'echo' }]))
    await expect.poll(() => ask(`${url}/other`), { timeout: 5000, interval: 20 }).toBe(404)
    expect(await ask(`${url}/product59abc`)).toBe(200)
  })
})
