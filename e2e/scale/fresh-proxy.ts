import type { NamespacedName } from '../../src/gatewayapi/object-key.ts'
import { PodEnvoy, testFleet } from '../../src/testing/pod-envoy.ts'
import type { ApiProxy } from '../testing/api-proxy.ts'
import { soleInfrastructureOf } from '../testing/gateway.ts'
import { HeldForwarder, type Target } from './held-forwarder.ts'

/** The chart's own choice. */
const tokenAudience = 'gatewright-xds'

/** What Envoy logs when a response begins to be taken over, with its own time: local, to the millisecond. */
const clustersAdded = /^\[(\S+) ([\d:.]+)\].*: response indicates (\d+) added\/updated cluster/gm

/**
 * A stock Envoy on this machine that belongs to a Gateway as its pods do: their bootstrap, command line and trust, and
 * a token of their service account. It has nothing yet, and waits for a replica of the control plane to ask.
 */
export class FreshProxy {
  readonly #envoy: PodEnvoy
  readonly #forwarder: HeldForwarder
  readonly #api: ApiProxy
  readonly #podPath: string

  private constructor(envoy: PodEnvoy, forwarder: HeldForwarder, api: ApiProxy, podPath: string) {
    this.#envoy = envoy
    this.#forwarder = forwarder
    this.#api = api
    this.#podPath = podPath
  }

  /** @param name of a pod that is made for its token, and runs nowhere */
  static async start(api: ApiProxy, gateway: string, namespace: string, name: string): Promise<FreshProxy> {
    const serviceAccount = (await soleInfrastructureOf('serviceaccount', gateway, namespace)).metadata.name
    const configuration = (await soleInfrastructureOf('configmap', gateway, namespace))['data']
    const pods = `/api/v1/namespaces/${namespace}/pods`
    const pod = (await api.call('POST', pods, makePod(name, serviceAccount))) as { metadata: { uid: string } }
    const { status } = (await api.call(
      'POST',
      `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`,
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: {
          audiences: [tokenAudience],
          expirationSeconds: 600,
          boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid: pod.metadata.uid },
        },
      },
    )) as { status: { token: string } }
    const forwarder = await HeldForwarder.listen()
    const envoy = await PodEnvoy.start({
      xdsPort: forwarder.port,
      serverName: findServerName(configuration['bootstrap.json']),
      trustBundle: findTrust(configuration['xds-trust.json']),
      token: status.token,
      podName: name,
      // Its connection is held until there is somebody to ask.
      connectTimeout: '60s',
      args: ['--component-log-level', 'upstream:info'],
      fleet: { ...testFleet, key: `${namespace}/${gateway}` as NamespacedName },
    })
    return new FreshProxy(envoy, forwarder, api, `${pods}/${name}`)
  }

  /** From now on it asks this one, as soon as that one listens. */
  ask(replica: Target): void {
    this.#forwarder.sendTo(replica)
  }

  /** Resolves when it has everything, as kubelet would see it. @returns when that was, in milliseconds of Unix time */
  async ready(): Promise<number> {
    await this.#envoy.ready(60_000)
    return Date.now()
  }

  /**
   * When it had been answered in full: had got so many clusters, which come first, in one response or, from 1,000 on,
   * in several. Milliseconds of Unix time. @throws when it has fewer
   */
  answeredAt(clusters: number): number {
    let got = 0
    for (const [, day, time, added] of this.#envoy.log.matchAll(clustersAdded)) {
      got += Number(added)
      if (got >= clusters) return Date.parse(`${day}T${time}`)
    }
    throw new Error(`a fresh proxy is ready with ${got} clusters of ${clusters}:\n${this.#envoy.log}`)
  }

  async stop(): Promise<void> {
    await this.#envoy.stop()
    this.#forwarder.close()
    await this.#api.call('DELETE', `${this.#podPath}?gracePeriodSeconds=0`)
  }
}

/** Nobody schedules it; the API server gives tokens to pods that there are. */
function makePod(name: string, serviceAccountName: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      schedulerName: 'nobody',
      serviceAccountName,
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'nothing',
          image: 'none.invalid/none',
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
    },
  }
}

interface Bootstrap {
  readonly static_resources: {
    readonly clusters: readonly {
      readonly transport_socket?: { readonly typed_config: { readonly sni?: string } }
    }[]
  }
}

function findServerName(bootstrap: string): string {
  const { clusters } = (JSON.parse(bootstrap) as Bootstrap).static_resources
  const name = clusters.map(({ transport_socket: socket }) => socket?.typed_config.sni).find((sni) => sni !== undefined)
  if (name === undefined) throw new Error('the bootstrap names no control plane')
  return name
}

interface TrustDocument {
  readonly resources: readonly [
    { readonly validation_context: { readonly trusted_ca: { readonly inline_string: string } } },
  ]
}

function findTrust(document: string): string {
  return (JSON.parse(document) as TrustDocument).resources[0].validation_context.trusted_ca.inline_string
}
