/**
 * Fills the code cache of dist/, which was just built: runs the program, so that V8 has compiled what it needs. Once
 * for what newcomers begin with, and once as in a cluster, against a simulated API server and for a simulated proxy.
 */
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { codeCacheFile, loadBundle } from '../src/bundle.ts'
import { bundleOf, parseAuthority } from '../src/providers/kubernetes/xds-authority.ts'
import { ClusterProxy } from '../src/testing/cluster-proxy.ts'
import { FakeApiServer } from '../src/testing/fake-api-server.ts'
import { FakeTokenIssuer } from '../src/testing/fake-token-issuer.ts'
import { findFreePort } from '../src/testing/xds-envoy.ts'

const root = new URL('..', import.meta.url).pathname
const dist = join(root, 'dist')
/** For the whole of it; a build is not to hang. Milliseconds. */
const patience = 60_000
const namespace = 'shop'
/** So many that the table of their hosts is divided in the second half: both forms of it need code. */
const routes = 2_100

const { script, run } = loadBundle(dist)
// The program settles its heap by flags of which some cannot be taken back; a cache that was made with them is good for
// no start. Its own `require` gives it this object.
Object.assign(createRequire(import.meta.url)('node:v8'), { setFlagsFromString: () => {} })
// Code that only a start needs would be gone when the cache is written.
setFlagsFromString('--no-flush-bytecode')
function call(...args: readonly string[]): void {
  process.argv.splice(2, process.argv.length, ...args)
  run()
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  while (!isSo()) {
    if (performance.now() > patience) throw new Error(`the code cache cannot be filled: ${what} does not come`)
    await sleep(10)
  }
}

/** Of the Gateway's proxies, and the name of their Service. */
const serviceAccount = 'web-gatewright'
const gatewayVersion = 'gateway.networking.k8s.io/v1'

function putGateway(server: FakeApiServer): void {
  const controllerName = 'gatewright.dev/gateway-controller'
  const listeners = [{ name: 'http', port: 80, protocol: 'HTTP' }]
  const metadata = { namespace, name: 'web' }
  for (const object of [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion: gatewayVersion, kind: 'GatewayClass', metadata: { name: 'gatewright' }, spec: { controllerName } },
    { apiVersion: gatewayVersion, kind: 'Gateway', metadata, spec: { gatewayClassName: 'gatewright', listeners } },
  ])
    server.put(object)
}

/** A route for a host of its own to one endpoint. */
function putRoute(server: FakeApiServer, index: number, address: string): void {
  const metadata = { namespace, name: `web-${index}`, managedFields: [{ manager: 'build' }] }
  const headers = { set: [{ name: 'x-address', value: address }] }
  const rules = [
    {
      matches: [{ path: { type: 'PathPrefix', value: '/' } }],
      filters: [{ type: 'ResponseHeaderModifier', responseHeaderModifier: headers }],
      backendRefs: [{ name: metadata.name, port: 80, weight: 1 }],
    },
  ]
  const spec = { parentRefs: [{ name: 'web' }], hostnames: [`host-${index}.example.com`], rules }
  const ports = [{ port: 80, protocol: 'TCP' }]
  const labels = { 'kubernetes.io/service-name': metadata.name }
  const endpoints = [{ addresses: [address], conditions: { ready: true } }]
  const slice = { metadata: { ...metadata, labels }, addressType: 'IPv4', ports, endpoints }
  server.put({ apiVersion: 'v1', kind: 'Service', metadata, spec: { clusterIP: '192.0.2.2', ports } })
  server.put({ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', ...slice })
  server.put({ apiVersion: gatewayVersion, kind: 'HTTPRoute', metadata, spec })
}

call('translate', '-f', join(root, 'examples/quickstart'))
const server = await FakeApiServer.start()
const issuer = new FakeTokenIssuer()
issuer.answerAt(server)
const directory = await mkdtemp(join(tmpdir(), 'gatewright-code-cache-'))
const proxy = new ClusterProxy(`${namespace}/web-1`)
try {
  putGateway(server)
  putRoute(server, 0, '192.0.2.3')
  const kubeconfig = join(directory, 'kubeconfig')
  writeFileSync(kubeconfig, server.kubeconfig)
  const address = `127.0.0.1:${await findFreePort()}`
  const place = ['--kubeconfig', kubeconfig, '--namespace', namespace, '--identity', 'build']
  const addresses = ['--xds-address', address, '--admin-address=127.0.0.1:0']
  call('serve', '--log-level=error', ...place, ...addresses)
  const readStatus = () => JSON.stringify(server.get('HTTPRoute', namespace, 'web-0')?.['status'] ?? '')
  await until('a Service for the Gateway', () => server.assignAddress(namespace, serviceAccount))
  await until('the status of the route', () => readStatus().includes('"Accepted"'))
  const authority = parseAuthority(server.get('Secret', namespace, 'gatewright-xds')?.['data'])
  if (typeof authority !== 'object') throw new Error('the code cache cannot be filled: there is no authority')
  const token = issuer.issue({ namespace, serviceAccount, pod: 'web-1' })
  const serverName = `gatewright.${namespace}.svc`
  proxy.connect({ address, trust: bundleOf(authority), serverName, token })
  await until('the endpoints of the route', () => proxy.count('endpoint') > 0 && proxy.count('route') > 0)
  for (let index = 0; index < routes; index++) putRoute(server, index, '192.0.2.4')
  await until('the divided table', () => proxy.count('endpoint') === routes && proxy.count('scopedRoute') > 0)
} finally {
  proxy.close()
  await server.close()
  await rm(directory, { recursive: true })
}
// The cache is good for the flags that a start has.
setFlagsFromString('--flush-bytecode')
writeFileSync(join(dist, codeCacheFile), script.createCachedData())
process.exit()
