import { request } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { issueCertificate } from '../testing/certificates.ts'
import { PodEnvoy, type PodEnvoyOptions } from '../testing/pod-envoy.ts'
import {
  envoyCluster,
  envoyEndpoints,
  envoyListener,
  envoyTable,
  findFreePort,
  startBackend,
} from '../testing/xds-envoy.ts'
import { XdsServerBed } from '../testing/xds-server.ts'
import type { Authenticator } from '../xds/authenticator.ts'

const serverName = 'gatewright.gatewright-system.svc'

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A control plane as proxies meet it: TLS, and a bearer token with each stream. */
async function startControlPlane({ synced = true, address = '127.0.0.1:0', authority = makeAuthority() } = {}) {
  const leaf = issueCertificate({ commonName: 'xds', dnsNames: [serverName], issuer: authority })
  /** One for each stream. */
  const tokens: string[] = []
  const authenticator: Authenticator = {
    authenticate(peer) {
      const token = peer.metadata('authorization').join(' and ')
      tokens.push(token)
      return /^Bearer good-\w+$/.test(token)
        ? { allowed: true, scope: 'a', nodeId: 'shop/edge-1' }
        : { allowed: false, reason: 'bad token' }
    },
  }
  const tls = { certificate: leaf.certificate, key: leaf.privateKey }
  const bed = await XdsServerBed.start({ synced, address, tls, authenticator })
  cleanups.push(() => bed.stop())
  const port = Number(bed.address.split(':').at(-1))
  return { bed, port, tokens, authority }
}

const makeAuthority = (commonName = 'authority') => issueCertificate({ commonName, isAuthority: true })

async function startEnvoy(
  { port, authority }: { port: number; authority: { certificate: string } },
  more: Partial<PodEnvoyOptions> = {},
): Promise<PodEnvoy> {
  const envoy = await PodEnvoy.start({
    xdsPort: port,
    serverName,
    trustBundle: authority.certificate,
    token: 'good-one',
    ...more,
  })
  cleanups.push(() => envoy.stop())
  return envoy
}

/** A check that throws has not succeeded yet: Envoy may only just be starting. */
async function eventually(check: () => unknown, patience = 15_000): Promise<void> {
  const start = performance.now()
  while (
    !(await Promise.resolve()
      .then(check)
      .catch(() => false))
  ) {
    if (performance.now() - start > patience) throw new Error(`never came: ${check.toString()}`)
    await sleep(20)
  }
}

test('Envoy accepts the bootstrap without a word, strictly', async () => {
  const trustBundle = makeAuthority().certificate
  const { status, log } = await PodEnvoy.validate({ xdsPort: 1, serverName, trustBundle, token: 'x' })
  expect(log).toMatch(/configuration '.*' OK/)
  expect(log.split('\n').filter((line) => /\[(warning|error|critical)\]/.test(line))).toEqual([])
  expect(status).toBe(0)
})

test('a pod becomes ready when it has its whole configuration, and not before, however long that takes', async () => {
  const controlPlane = await startControlPlane({ synced: false })
  const { bed } = controlPlane
  const backend = await startBackend('shop')
  cleanups.push(() => backend.stop())
  const port = await findFreePort()
  bed.put(
    envoyCluster('c'),
    envoyEndpoints('c', [backend.port]),
    envoyListener('web', port, 'table'),
    envoyTable('table', [{ prefix: '/', cluster: 'c' }]),
  )
  const envoy = await startEnvoy(controlPlane)
  await eventually(() => controlPlane.tokens.length > 0)
  // Envoy gives up waiting after 15 s for clusters, and after as long again for listeners, unless it is told not to.
  for (const start = performance.now(); performance.now() - start < 16_500; await sleep(500))
    expect(await envoy.probe()).not.toBe(200)
  expect(await envoy.admin('/stats?filter=init_fetch_timeout')).toContain('cluster_manager.cds.init_fetch_timeout: 0')
  bed.server.markSynced()
  await eventually(async () => (await envoy.probe()) === 200, 1500)
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('shop')
})

test('a token that kubelet has replaced is shown at the next connection, without a restart', async () => {
  const controlPlane = await startControlPlane()
  const { bed, tokens } = controlPlane
  const envoy = await startEnvoy(controlPlane)
  await envoy.ready()
  expect(tokens).toEqual(['Bearer good-one'])

  await envoy.rotateToken('good-two')
  // Envoy reads the file when the link is swapped; the open stream lives on.
  await sleep(500)
  expect(bed.server.streams.size).toBe(1)
  expect(tokens).toEqual(['Bearer good-one'])

  await bed.server.close()
  const again = await startControlPlane({ address: bed.address, authority: controlPlane.authority })
  await eventually(() => again.bed.server.streams.size === 1)
  expect(again.tokens).toEqual(['Bearer good-two'])

  // And again: the file is watched for good, not once.
  await envoy.rotateToken('good-three')
  await sleep(500)
  await again.bed.server.close()
  const third = await startControlPlane({ address: bed.address, authority: controlPlane.authority })
  await eventually(() => third.bed.server.streams.size === 1)
  expect(third.tokens).toEqual(['Bearer good-three'])
})

test('a control plane with a certificate of a new authority is trusted once the ConfigMap says so', async () => {
  const controlPlane = await startControlPlane()
  const { bed, authority: old } = controlPlane
  const envoy = await startEnvoy(controlPlane)
  await envoy.ready()
  const young = makeAuthority('young')
  await envoy.rotateTrust(`${old.certificate}${young.certificate}`)
  await sleep(500)
  expect(bed.server.streams.size).toBe(1)
  await bed.server.close()
  const next = await startControlPlane({ address: bed.address, authority: young })
  await eventually(() => next.bed.server.streams.size === 1)
})

test('a control plane that cannot prove its name gets no token', async () => {
  const controlPlane = await startControlPlane()
  const strangers = await startEnvoy({ port: controlPlane.port, authority: makeAuthority('other') })
  await eventually(async () => /cluster\.xds\.ssl\.fail_verify_error: [1-9]/.test(await strangers.admin('/stats')))
  const otherName = await startEnvoy(controlPlane, { serverName: 'gatewright.elsewhere.svc' })
  await eventually(async () => /cluster\.xds\.ssl\.fail_verify_san: [1-9]/.test(await otherName.admin('/stats')))
  expect(controlPlane.tokens).toEqual([])
})

/** Sends a request line as it stands, which no library would let pass. */
function sendRaw(port: number, head: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(head))
    let text = ''
    socket.setTimeout(3000, () => socket.destroy())
    socket.on('data', (data) => {
      text += data.toString('latin1')
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(text))
  })
}

test('nothing of the admin page is reachable from outside but readiness and metrics', async () => {
  const controlPlane = await startControlPlane()
  const envoy = await startEnvoy(controlPlane)
  await envoy.ready()
  const port = envoy.readinessPort

  const metrics = await fetch(`http://127.0.0.1:${port}/stats/prometheus`)
  expect(metrics.status).toBe(200)
  expect(await metrics.text()).toContain('envoy_server_live{} 1')
  expect(await (await fetch(`http://127.0.0.1:${port}/ready`)).text()).toBe('LIVE\n')

  const paths = [
    ...[
      '/quitquitquit',
      '/config_dump',
      '/config_dump?include_eds',
      '/clusters',
      '/certs',
      '/listeners',
      '/server_info',
    ],
    ...[
      '/stats',
      '/stats?format=prometheus',
      '/stats/',
      '/stats/recentlookups',
      '/logging',
      '/runtime',
      '/memory',
      '/',
    ],
    ...['/healthcheck/fail', '/drain_listeners', '/reset_counters', '/cpuprofiler', '/heap_dump', '/tap', '/init_dump'],
    ...[
      '//',
      '//quitquitquit',
      '/ready/',
      '//ready',
      '/ready/../quitquitquit',
      '/ready/..',
      '/ready/%2e%2e/quitquitquit',
    ],
    ...['/%2e%2e/quitquitquit', '/%2fquitquitquit', '/ready%2f..%2fquitquitquit', '/ready;/../quitquitquit'],
    ...[
      '/ready?',
      '/ready?x',
      '/ready#x',
      '/ready%00',
      '/READY',
      '/stats/prometheus/',
      '/stats/prometheus?filter=(a*)*b',
    ],
    ...[
      '/stats/prometheus/../../quitquitquit',
      '/stats/prometheus%2f..',
      '/./ready',
      '/x/../ready',
      '/stats//prometheus',
    ],
    ...['\\quitquitquit', '/\\quitquitquit', 'quitquitquit', '*'],
    ...['http://127.0.0.1/quitquitquit', 'http://admin/config_dump', 'http://x@y/clusters'],
  ]
  const reached: string[] = []
  const ask = (method: string, path: string, header = 'accept: */*') =>
    sendRaw(port, `${method} ${path} HTTP/1.1\r\nHost: x\r\n${header}\r\nConnection: close\r\n\r\n`)
  const methods = ['POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'TRACE', 'CONNECT', 'PRI', 'get']
  const others = methods.flatMap((method) =>
    ['/ready', '/stats/prometheus', '/quitquitquit', '127.0.0.1:19000'].map((path) => [method, path] as const),
  )
  await Promise.all(
    [...paths.map((path) => ['GET', path] as const), ...others].map(async ([method, path]) => {
      const answer = await ask(method, path)
      // No answer at all is a connection that Envoy has closed on bytes that are no request.
      if (!/^(HTTP\/1\.[01] (400|403|404|426|501)|$)/.test(answer))
        reached.push(`${method} ${path}: ${answer.slice(0, 60)}`)
    }),
  )
  const headers = [
    ...['x-http-method-override: POST', 'x-original-url: /quitquitquit', 'x-rewrite-url: /quitquitquit'],
    ...['x-envoy-original-path: /quitquitquit', ':path: /quitquitquit', 'x-forwarded-uri: /quitquitquit'],
  ]
  for (const header of headers) {
    const answer = await ask('GET', '/ready', header)
    if (!/^HTTP\/1\.1 400/.test(answer)) expect(answer, header).toContain('\r\nLIVE\n\r\n')
  }
  const smuggled = 'POST /quitquitquit HTTP/1.1\r\nHost: x\r\n\r\n'
  const length = smuggled.length.toString(16)
  await sendRaw(
    port,
    `GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n${length}\r\n${smuggled}\r\n0\r\n\r\n`,
  )
  await sendRaw(port, `GET /ready HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc${smuggled}`)
  const upgrade = await sendRaw(
    port,
    'GET /ready HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n',
  )
  expect(upgrade).not.toMatch(/^HTTP\/1\.1 101/)

  expect(reached).toEqual([])
  expect(await envoy.probe()).toBe(200)
})

test('probes are answered when the proxy takes no more connections', async () => {
  // The heap is full from the start: requests of users are refused, and readiness is not.
  const controlPlane = await startControlPlane()
  const envoy = await startEnvoy(controlPlane, { maxHeapBytes: 1024 * 1024 })
  await envoy.ready()
  await eventually(async () => /stop_accepting_requests\.active: 1/.test(await envoy.admin('/stats?filter=overload')))
  const answer = await new Promise<number | undefined>((resolve, reject) => {
    request({ port: envoy.readinessPort, path: '/ready' }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
      .on('error', reject)
      .end()
  })
  expect(answer).toBe(200)
})
