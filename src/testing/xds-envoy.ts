import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { contentVersion } from '../base/hash.ts'
import { envoy } from '../gen/envoy.js'
import { type EnvoyResource, typeUrls } from '../xds/resource.ts'

/*
 * Stock Envoy against the xDS server alone: hand-made resources, no Gateway API.
 */

const project = join(dirname(fileURLToPath(import.meta.url)), '../..')

export function findEnvoy(): string {
  const found = globSync('.venv/lib/python*/site-packages/envoy/_bin/envoy', { cwd: project })[0]
  const path = found === undefined ? '' : join(project, found)
  if (!existsSync(path)) throw new Error('stock Envoy is missing: make quickstart installs it into .venv')
  return path
}

interface EnvoyOptions {
  readonly xdsPort: number
  readonly variant: 'delta' | 'sotw'
  readonly token: string
  readonly nodeId?: string
  readonly concurrency?: number
}

/** One Envoy process; `stop` ends it. */
export class XdsEnvoy {
  readonly #process: ChildProcess
  readonly #directory: string
  readonly adminPort: number
  log = ''

  private constructor(process: ChildProcess, directory: string, adminPort: number) {
    this.#process = process
    this.#directory = directory
    this.adminPort = adminPort
    const collect = (data: Buffer): void => {
      this.log += data.toString()
    }
    process.stderr?.on('data', collect)
    process.stdout?.on('data', collect)
  }

  static async start(options: EnvoyOptions): Promise<XdsEnvoy> {
    const directory = await mkdtemp(join(tmpdir(), 'gatewright-xds-'))
    const adminFile = join(directory, 'admin')
    const file = join(directory, 'bootstrap.json')
    await writeFile(file, JSON.stringify(bootstrap(options)))
    const args = ['-c', file, '--concurrency', String(options.concurrency ?? 1), '--use-dynamic-base-id']
    const child = spawn(
      findEnvoy(),
      [...args, '--admin-address-path', adminFile, '--drain-time-s', '2', '-l', 'warning'],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    const { readFile } = await import('node:fs/promises')
    for (let i = 0; i < 400; i++) {
      const address = await readFile(adminFile, 'utf8').catch(() => '')
      const port = Number(address.split(':').at(-1))
      if (port > 0) return new XdsEnvoy(child, directory, port)
      if (child.exitCode !== null) break
      await sleep(25)
    }
    child.kill('SIGKILL')
    throw new Error('Envoy did not start')
  }

  async admin(path: string): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.adminPort}${path}`)).text()
  }

  /** The counters and gauges whose names match. */
  async stats(filter: string): Promise<Record<string, number>> {
    const text = await this.admin(`/stats?filter=${encodeURIComponent(filter)}`)
    const lines = text.split('\n').map((line) => line.split(': ') as [string, string])
    return Object.fromEntries(lines.filter(([, value]) => value !== undefined).map(([k, v]) => [k, Number(v)]))
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name)
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.#process.once('exit', resolve))
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGKILL')
      await gone
    }
    await rm(this.#directory, { recursive: true, force: true })
  }
}

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))

function bootstrap(options: EnvoyOptions): object {
  const ads = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' }
  return {
    node: { id: options.nodeId ?? 'envoy-1', cluster: 'test' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    dynamic_resources: {
      ads_config: {
        api_type: options.variant === 'delta' ? 'DELTA_GRPC' : 'GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [
          {
            envoy_grpc: {
              cluster_name: 'xds',
              retry_policy: { retry_back_off: { base_interval: '0.1s', max_interval: '1s' } },
            },
            initial_metadata: [{ key: 'authorization', value: `Bearer ${options.token}` }],
          },
        ],
      },
      cds_config: ads,
      lds_config: ads,
    },
    static_resources: {
      clusters: [
        {
          name: 'xds',
          type: 'STATIC',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'xds',
            endpoints: [
              {
                lb_endpoints: [
                  { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: options.xdsPort } } } },
                ],
              },
            ],
          },
        },
      ],
    },
  }
}

type Resource = Pick<EnvoyResource, 'name' | 'bytes'>

function makeEnvoyResource(type: keyof typeof typeUrls, { name, bytes }: Resource, more: object = {}): EnvoyResource {
  return { typeUrl: typeUrls[type], scope: 'a', name, bytes, version: contentVersion(bytes), sources: [], ...more }
}

const adsSource = {
  ads: {},
  resourceApiVersion: envoy.config.core.v3.ApiVersion.V3,
  initialFetchTimeout: { seconds: 2 },
}

const any = (typeUrl: string, value: Uint8Array) => ({ type_url: `type.googleapis.com/${typeUrl}`, value })

/** An EDS cluster; `connectTimeout` is there to make another version of it. */
export function envoyCluster(name: string, connectTimeout = 1): EnvoyResource {
  const bytes = envoy.config.cluster.v3.Cluster.encode({
    name,
    type: envoy.config.cluster.v3.Cluster.DiscoveryType.EDS,
    edsClusterConfig: { edsConfig: adsSource },
    connectTimeout: { seconds: connectTimeout },
  }).finish()
  return makeEnvoyResource('cluster', { name, bytes })
}

export function envoyEndpoints(name: string, ports: readonly number[]): EnvoyResource {
  const bytes = envoy.config.endpoint.v3.ClusterLoadAssignment.encode({
    clusterName: name,
    endpoints: [
      {
        lbEndpoints: ports.map((portValue) => ({
          endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue } } },
        })),
      },
    ],
  }).finish()
  return makeEnvoyResource('endpoint', { name, bytes })
}

/**
 * @param statPrefix another one is another version of the listener, which drains the old one
 * @param secret terminates TLS with it
 */
export function envoyListener(
  name: string,
  port: number,
  table: string,
  statPrefix = 'http',
  secret?: string,
): EnvoyResource {
  const hcm = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.encode({
    statPrefix,
    rds: { routeConfigName: table, configSource: adsSource },
    httpFilters: [
      {
        name: 'router',
        typedConfig: any('envoy.extensions.filters.http.router.v3.Router', Buffer.alloc(0)),
      },
    ],
  }).finish()
  const bytes = envoy.config.listener.v3.Listener.encode({
    name,
    address: { socketAddress: { address: '127.0.0.1', portValue: port } },
    filterChains: [
      {
        name: 'http',
        ...(secret !== undefined && {
          transportSocket: {
            name: 'tls',
            typedConfig: any('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', tlsContext(secret)),
          },
        }),
        filters: [
          {
            name: 'http',
            typedConfig: any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', hcm),
          },
        ],
      },
    ],
  }).finish()
  return makeEnvoyResource('listener', { name, bytes }, secret === undefined ? {} : { secrets: [secret] })
}

function tlsContext(secret: string): Uint8Array {
  return envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext.encode({
    commonTlsContext: { tlsCertificateSdsSecretConfigs: [{ name: secret, sdsConfig: adsSource }] },
  }).finish()
}

export function envoySecret(name: string, certificate: string, privateKey: string): EnvoyResource {
  const bytes = envoy.extensions.transport_sockets.tls.v3.Secret.encode({
    name,
    tlsCertificate: { certificateChain: { inlineString: certificate }, privateKey: { inlineString: privateKey } },
  }).finish()
  return makeEnvoyResource('secret', { name, bytes })
}

export interface RouteLine {
  readonly prefix: string
  readonly cluster: string
  /** Instead of a prefix. */
  readonly regex?: string
}

/** A table with one virtual host for everything. */
export function envoyTable(
  name: string,
  routes: readonly RouteLine[],
  more: Partial<EnvoyResource> = {},
): EnvoyResource {
  const bytes = envoy.config.route.v3.RouteConfiguration.encode({
    name,
    validateClusters: { value: false },
    virtualHosts: [
      {
        name: 'all',
        domains: ['*'],
        routes: routes.map(({ prefix, regex, cluster }) => ({
          match: regex === undefined ? { prefix } : { safeRegex: { regex } },
          route: { cluster },
        })),
      },
    ],
  }).finish()
  return makeEnvoyResource('route', { name, bytes }, more)
}

/** A backend that answers with its own name. */
export async function startBackend(name: string): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const server: Server = createServer((_request: IncomingMessage, response: ServerResponse) => {
    response.end(name)
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A port that was free a moment ago. */
export async function findFreePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
