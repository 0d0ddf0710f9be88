/**
 * Fills the code cache of dist/, which was just built: runs the program, so that V8 has compiled what it needs. Once
 * for what newcomers begin with, and once as in a cluster, against a simulated API server.
 */
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeCacheFile, loadBundle } from '../src/bundle.ts'
import { configureHeap } from '../src/heap.ts'
import { FakeApiServer } from '../src/testing/fake-api-server.ts'

const root = new URL('..', import.meta.url).pathname
const dist = join(root, 'dist')
/** For the whole of it; a build is not to hang. Milliseconds. */
const patience = 60_000

const { script, run } = loadBundle(dist)
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

/** A Gateway with a route to one endpoint. */
function putObjects(server: FakeApiServer): void {
  const gateway = 'gateway.networking.k8s.io/v1'
  const controllerName = 'gatewright.dev/gateway-controller'
  const listeners = [{ name: 'http', port: 80, protocol: 'HTTP' }]
  const rules = [{ backendRefs: [{ name: 'web', port: 80 }] }]
  const metadata = { namespace: 'shop', name: 'web' }
  const ports = [{ port: 80, protocol: 'TCP' }]
  const labels = { 'kubernetes.io/service-name': 'web' }
  const endpoints = [{ addresses: ['192.0.2.1'], conditions: { ready: true } }]
  for (const object of [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
    { apiVersion: gateway, kind: 'GatewayClass', metadata: { name: 'web' }, spec: { controllerName } },
    { apiVersion: gateway, kind: 'Gateway', metadata, spec: { gatewayClassName: 'web', listeners } },
    { apiVersion: gateway, kind: 'HTTPRoute', metadata, spec: { parentRefs: [{ name: 'web' }], rules } },
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { clusterIP: '192.0.2.2', ports } },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, labels },
      addressType: 'IPv4',
      ports,
      endpoints,
    },
  ])
    server.put(object)
}

call('translate', '-f', join(root, 'examples/quickstart'))
const server = await FakeApiServer.start()
const directory = await mkdtemp(join(tmpdir(), 'gatewright-code-cache-'))
try {
  putObjects(server)
  const kubeconfig = join(directory, 'kubeconfig')
  writeFileSync(kubeconfig, server.kubeconfig)
  const addresses = ['--xds-address=127.0.0.1:0', '--admin-address=127.0.0.1:0']
  call(
    'serve',
    '--log-level=error',
    '--kubeconfig',
    kubeconfig,
    '--namespace',
    'shop',
    '--identity',
    'build',
    ...addresses,
  )
  const readStatus = () => JSON.stringify(server.get('HTTPRoute', 'shop', 'web')?.['status'] ?? '')
  await until('the status of the route', () => readStatus().includes('"Accepted"'))
} finally {
  await server.close()
  await rm(directory, { recursive: true })
}
// The cache is good for the flags that a start has.
configureHeap()
writeFileSync(join(dist, codeCacheFile), script.createCachedData())
process.exit()
