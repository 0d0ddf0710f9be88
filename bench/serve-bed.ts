import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { bundleOf, parseAuthority } from '../src/providers/kubernetes/xds-authority.ts'
import { ClusterProxy } from '../src/testing/cluster-proxy.ts'
import { FakeApiServer } from '../src/testing/fake-api-server.ts'
import { FakeTokenIssuer } from '../src/testing/fake-token-issuer.ts'
import { benchNamespace } from './serve-cluster.ts'
import { ServeProcess } from './serve-process.ts'

const namespace = 'gatewright-system'
const patience = 120_000
/** As often as Envoy does at most. Milliseconds. */
const reconnectPause = 250

export async function eventually(what: string, isSo: () => boolean, pause = 5): Promise<void> {
  const deadline = performance.now() + patience
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${patience} ms`)
    await sleep(pause)
  }
}

/** It asks again until it is answered, as Envoy does. */
export async function keepConnected(proxy: ClusterProxy, isDone: () => boolean): Promise<void> {
  let reopened = performance.now()
  await eventually(
    'everything at the proxy',
    () => {
      if (!proxy.isConnected && performance.now() > reopened + reconnectPause) {
        reopened = performance.now()
        proxy.reopen()
      }
      return isDone()
    },
    20,
  )
}

/** A simulated API server, and replicas of `gatewright serve` that read it. The caller closes it at the end. */
export class ServeBed {
  /** Of the control plane. */
  readonly namespace = namespace
  readonly server: FakeApiServer
  readonly #issuer: FakeTokenIssuer
  readonly #directory: string
  readonly #replicas: ServeProcess[] = []
  readonly #proxies: ClusterProxy[] = []

  private constructor(server: FakeApiServer, issuer: FakeTokenIssuer, directory: string) {
    this.server = server
    this.#issuer = issuer
    this.#directory = directory
  }

  static async start(): Promise<ServeBed> {
    const server = await FakeApiServer.start()
    const issuer = new FakeTokenIssuer()
    issuer.answerAt(server)
    const directory = await mkdtemp(join(tmpdir(), 'gatewright-bench-'))
    await writeFile(join(directory, 'kubeconfig'), server.kubeconfig)
    return new ServeBed(server, issuer, directory)
  }

  /** @param identity replicas with the same one cannot be told apart */
  async startReplica(identity = 'bench'): Promise<ServeProcess> {
    const execArgv = (process.env['SERVE_EXEC_ARGV'] ?? '').split(' ').filter((text) => text !== '')
    const kubeconfig = join(this.#directory, 'kubeconfig')
    const replica = await ServeProcess.start({ kubeconfig, namespace, execArgv, identity })
    this.#replicas.push(replica)
    return replica
  }

  /** A pod of the Gateway, which asks this replica for its configuration. */
  async connect(replica: ServeProcess, pod = 'web-1'): Promise<ClusterProxy> {
    const { server } = this
    await eventually('an authority', () => server.get('Secret', namespace, 'gatewright-xds') !== undefined)
    const state = parseAuthority(server.get('Secret', namespace, 'gatewright-xds')?.['data'])
    if (typeof state !== 'object') throw new Error('there is no authority')
    const token = this.#issuer.issue({ namespace: benchNamespace, serviceAccount: 'web-gatewright', pod })
    await replica.untilLogged('Serving xDS')
    const proxy = new ClusterProxy(`${benchNamespace}/${pod}`)
    this.#proxies.push(proxy)
    const serverName = `gatewright.${namespace}.svc`
    proxy.connect({ address: replica.xdsAddress, trust: bundleOf(state), serverName, token })
    return proxy
  }

  async close(): Promise<void> {
    for (const proxy of this.#proxies) proxy.close()
    for (const replica of this.#replicas) await replica.stop()
    await this.server.close()
    await rm(this.#directory, { recursive: true })
  }
}
