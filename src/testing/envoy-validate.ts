import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildBootstrap } from '../providers/local-envoy/bootstrap.ts'
import { findEnvoy } from '../providers/local-envoy/envoy-binary.ts'

/** A resource in proto JSON, as `gatewright translate` prints it. */
export interface JsonResource {
  readonly type: 'listener' | 'route' | 'cluster' | 'endpoint' | 'secret'
  readonly resource: unknown
}

/** Two cores. */
const mostAtOnce = 2

/**
 * Asks stock Envoy, strictly, whether it would accept the resources of one proxy. Nothing is bound and
 * nobody is connected to. Each takes about 60 ms.
 * @returns what Envoy says about the first problem that it finds, undefined when there is none
 */
export async function validateResources(resources: readonly JsonResource[]): Promise<string | undefined> {
  const { path } = await findEnvoy(undefined)
  const directory = await mkdtemp(join(tmpdir(), 'gatewright-validate-'))
  try {
    const file = join(directory, 'bootstrap.json')
    await writeFile(file, JSON.stringify(wrap(resources)))
    const args = ['--mode', 'validate', '--config-path', file, '--log-level', 'error', '--log-format', '%_']
    const [status, output] = await new Promise<[unknown, string]>((resolve) => {
      execFile(path, args, { timeout: 20_000, cwd: directory }, (error, out, err) => resolve([error?.code, err + out]))
    })
    return status === undefined ? undefined : output.trim() || `Envoy ended with status ${String(status)}`
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** {@link validateResources} of many proxies. @returns those with problems, in the order of the cases */
export async function validateAll(
  cases: ReadonlyMap<string, readonly JsonResource[]>,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string | undefined>()
  const queue = cases.entries()
  const work = async () => {
    for (const [name, resources] of queue) found.set(name, await validateResources(resources))
  }
  await Promise.all(Array.from({ length: mostAtOnce }, work))
  return new Map([...cases.keys()].flatMap((name) => (found.get(name) ? [[name, found.get(name) as string]] : [])))
}

/** The bootstrap of a real proxy with everything in it that would come by xDS. */
function wrap(resources: readonly JsonResource[]): object {
  const of = (type: JsonResource['type']) => resources.filter((r) => r.type === type).map((r) => r.resource)
  const xds = { unixPath: '/nonexistent/xds.sock', token: 'none' }
  const bootstrap = buildBootstrap({ nodeId: 'validate', xds, adminPort: 0 }) as { static_resources: StaticResources }
  const { clusters } = bootstrap.static_resources
  return {
    ...bootstrap,
    static_resources: {
      listeners: [...of('listener'), ...of('route').map(wrapTable)],
      clusters: [...clusters, ...of('cluster'), ...of('endpoint').map(wrapEndpoints)],
      secrets: of('secret'),
    },
  }
}

interface StaticResources {
  readonly clusters: readonly unknown[]
}

/** A table cannot be in a bootstrap by itself; the address only has to differ from all others. */
function wrapTable(table: unknown, index: number): object {
  const address = { pipe: { path: `@gatewright-validate-${index}` } }
  const router = { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' }
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'validate',
    route_config: table,
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: router }],
  }
  const filters = [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }]
  return { name: `validate-${index}`, address, filter_chains: [{ filters }] }
}

function wrapEndpoints(endpoints: unknown, index: number): object {
  return { name: `validate-${index}`, type: 'STATIC', load_assignment: endpoints }
}
