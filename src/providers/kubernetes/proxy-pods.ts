import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Collection } from '../../collections/collection.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import { withdrawTime } from '../../infrastructure/infrastructure-options.ts'
import { gatewayUidLabel } from '../../infrastructure/labels.ts'
import { type ApiClient, onlyMetadata, onlyMetadataList } from './api-client.ts'
import type { RawObject } from './raw-object.ts'
import { Reflector } from './reflector.ts'
import type { ReflectorSink } from './reflector-options.ts'

/** What is known of a proxy that is connected. */
interface ConnectedProxy {
  readonly nodeId: string
  readonly isDraining: boolean
}

export interface ProxyPodsOptions {
  readonly client: ApiClient
  readonly clock: Clock
  readonly logger: Logger
  /** The whole cluster unless given. */
  readonly namespaces?: readonly string[]
  /** The proxies that are connected to this replica. */
  readonly streams: Collection<string, ConnectedProxy>
  /** Takes the listeners of a proxy away, as long as it is connected. @returns how many streams it has */
  readonly drain: (nodeId: string) => number
}

/**
 * Lets proxies go before their pods end: some seconds after a pod was seen to be terminating, when nobody sends
 * it new connections any more, its listeners are taken away, and Envoy sends its clients elsewhere while kubelet
 * still holds the pod. Every replica does this for the proxies that are connected to it, the leader or not.
 */
export class ProxyPods {
  readonly reflectors: readonly Reflector[]
  readonly #options: ProxyPodsOptions
  /** Pods that are terminating: undefined once their listeners are to be taken away, before that the timer's end. */
  readonly #terminating = new Map<NamespacedName, (() => void) | undefined>()
  #unsubscribe: (() => void) | undefined
  /** Proxies whose listeners were taken away since the start. */
  drained = 0

  constructor(options: ProxyPodsOptions) {
    this.#options = options
    const { client, clock, logger, namespaces = [''] } = options
    this.reflectors = namespaces.map(
      (namespace) =>
        new Reflector({
          client,
          clock,
          logger,
          kind: 'Pod',
          namespace,
          resource: { group: '', version: 'v1', plural: 'pods' },
          selector: { labelSelector: gatewayUidLabel },
          accept: { list: onlyMetadataList, watch: onlyMetadata },
          sink: this.#sink,
        }),
    )
  }

  /** Pods that are terminating now. */
  get terminating(): number {
    return this.#terminating.size
  }

  start(): void {
    const { streams } = this.#options
    for (const reflector of this.reflectors) reflector.start()
    // One that has come back, perhaps from another replica, has its listeners again.
    this.#unsubscribe = streams.subscribe((changes) => {
      for (const { after } of changes)
        if (after && !after.isDraining && this.#isDrained(after.nodeId)) this.#drain(after.nodeId as NamespacedName)
    })
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.()
    for (const cancel of this.#terminating.values()) cancel?.()
    this.#terminating.clear()
    await Promise.all(this.reflectors.map((reflector) => reflector.stop()))
  }

  readonly #sink: ReflectorSink = {
    put: (key, object) => this.#put(key, object),
    delete: (key) => {
      this.#terminating.get(key)?.()
      this.#terminating.delete(key)
    },
    onState: () => {},
  }

  #put(pod: NamespacedName, { metadata }: RawObject): void {
    const isTerminating = metadata['deletionTimestamp'] !== undefined
    if (!isTerminating || this.#terminating.has(pod)) return
    // From when we saw it: the time that the API server has written is by another clock.
    const cancel = this.#options.clock.after(withdrawTime, () => {
      this.#terminating.set(pod, undefined)
      this.#drain(pod)
    })
    this.#terminating.set(pod, cancel)
  }

  #isDrained(nodeId: string): boolean {
    const pod = nodeId as NamespacedName
    return this.#terminating.has(pod) && this.#terminating.get(pod) === undefined
  }

  /** The node id of a proxy is the name of its pod: its token is good for no other. */
  #drain(pod: NamespacedName): void {
    if (this.#options.drain(pod) === 0) return
    this.drained++
    this.#options.logger.info('A proxy lets go of its clients, because its pod is terminating', { pod })
  }
}
