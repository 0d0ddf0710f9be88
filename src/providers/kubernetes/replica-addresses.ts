import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import { serviceNameLabel } from '../../gatewayapi/objects/endpoint-slice.ts'
import type { ApiClient } from './api-client.ts'
import { asList, asObject } from './json.ts'
import type { RawObject } from './raw-object.ts'
import { Reflector } from './reflector.ts'

export interface ReplicaAddressesOptions {
  readonly client: ApiClient
  readonly clock: Clock
  readonly logger: Logger
  /** Of the Service in front of the replicas. */
  readonly namespace: string
  readonly service: string
  /** Of the Service's port for proxies. */
  readonly portName: string
  /** Name of this replica's pod, which is none of the others. */
  readonly podName: string
  /** Told `host:port` of every other replica whenever they change. */
  readonly onChange: (addresses: readonly string[]) => void
}

/** Follows where the other replicas of the control plane are: the ready endpoints of their Service. */
export class ReplicaAddresses {
  readonly #options: ReplicaAddressesOptions
  readonly #slices = new Map<NamespacedName, readonly Replica[]>()
  readonly reflector: Reflector
  #told = ''

  constructor(options: ReplicaAddressesOptions) {
    const { client, clock, logger, namespace, service } = options
    this.#options = options
    this.reflector = new Reflector({
      client,
      clock,
      logger,
      resource: { group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices' },
      kind: 'EndpointSlice of the control plane',
      namespace,
      selector: { labelSelector: `${serviceNameLabel}=${service}` },
      sink: {
        put: (key, slice) => {
          this.#slices.set(key, listReplicas(slice, options.portName))
          this.#tell()
        },
        delete: (key) => {
          this.#slices.delete(key)
          this.#tell()
        },
        onState: () => {},
      },
    })
  }

  start(): void {
    this.reflector.start()
  }

  async stop(): Promise<void> {
    await this.reflector.stop()
  }

  #tell(): void {
    const { podName, onChange } = this.#options
    // A pod with addresses of two families is called at one of them.
    const byPod = new Map([...this.#slices.values()].flat().map(({ pod, address }) => [pod, address]))
    byPod.delete(podName)
    const addresses = [...byPod.values()].sort()
    const told = addresses.join(' ')
    if (told === this.#told) return
    this.#told = told
    onChange(addresses)
  }
}

interface Replica {
  readonly pod: string
  readonly address: string
}

function listReplicas(slice: RawObject, portName: string): readonly Replica[] {
  const { addressType, endpoints, ports } = asObject(slice)
  const port = asList(ports).find((p) => p['name'] === portName)?.['port']
  if ((addressType !== 'IPv4' && addressType !== 'IPv6') || typeof port !== 'number') return []
  return asList(endpoints)
    .filter((endpoint) => asObject(endpoint['conditions'])['ready'] !== false)
    .flatMap((endpoint) => {
      const [host] = Array.isArray(endpoint['addresses']) ? endpoint['addresses'] : []
      const pod = asObject(endpoint['targetRef'])['name']
      if (typeof host !== 'string' || typeof pod !== 'string') return []
      return [{ pod, address: addressType === 'IPv6' ? `[${host}]:${port}` : `${host}:${port}` }]
    })
}
