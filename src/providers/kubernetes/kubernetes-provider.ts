import type { Clock } from '../../base/clock.ts'
import { systemClock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { type KindDefinition, type KindName, kinds } from '../../gatewayapi/kinds.ts'
import { namespacedName } from '../../gatewayapi/object-key.ts'
import type { ObjectSink } from '../object-sink.ts'
import type { ApiClient, ApiResource } from './api-client.ts'
import { ChangeBatch } from './change-batch.ts'
import { Discovery, type GatewayApiBundle, type ServedKinds } from './discovery.ts'
import { KindReader, type KindStatus, type ReaderTarget } from './kind-reader.ts'
import type { Reflector } from './reflector.ts'
import type { StatusSink } from './status-sink.ts'

export interface KubernetesProviderOptions {
  readonly client: ApiClient
  readonly sink: ObjectSink
  /** Where the statuses of Gateway API objects go; nowhere unless given. */
  readonly statuses?: StatusSink
  readonly logger: Logger
  readonly clock?: Clock
  /** Only these are read, and of what is in no namespace only GatewayClasses; all unless given. */
  readonly watchNamespaces?: readonly string[]
  /** All that Gatewright reads, unless given. */
  readonly kinds?: readonly KindName[]
  /** None unless given. Of use for kinds that begin with a list. */
  readonly last?: LastKinds
  /** Called when the CRDs of the Gateway API turn out to be of another bundle. */
  readonly onBundle?: (bundle: GatewayApiBundle) => void
  readonly random?: () => number
}

/** Kinds that are of no use for what is urgent at a start, which then has the CPU for itself. */
export interface LastKinds {
  readonly kinds: readonly KindName[]
  /**
   * They are asked for with all others, which are handed on first, and read when this resolves; at the latest when the
   * others have been handed on, or some seconds after the start.
   */
  readonly after: Promise<void>
}

/** For readiness and metrics; plain values. */
export interface ProviderStatus {
  /** Whether everything that can be read has been loaded and handed on once. */
  readonly hasSynced: boolean
  /** Batches that were handed on. */
  readonly batches: number
  readonly bundle: GatewayApiBundle | undefined
  readonly kinds: Readonly<Partial<Record<KindName, KindStatus>>>
}

/** For so long kinds that are read last wait for others, which may fail. Milliseconds. */
const longestWait = 3_000

/** The label that carries the name of every Namespace, so that selectors can name one. */
const nameLabel = 'kubernetes.io/metadata.name'

/**
 * Fills a sink with the objects of an API server, and keeps it up to date: one reflector for each kind that is
 * served, or for each kind and namespace. Kinds come and go with their CRDs. Nothing is emptied because of an
 * error. Everything that arrives in one turn of the event loop is one batch; the first batch is everything, without
 * kinds that are read last, which are the second then.
 *
 * The caller calls `start` once, waits for `hasSynced` before it serves, and calls `stop` at the end.
 */
export class KubernetesProvider {
  /** Resolves when everything has been loaded once, without kinds that are absent or forbidden. Never rejects. */
  readonly hasSynced: Promise<void>
  readonly #options: KubernetesProviderOptions
  readonly #batch: ChangeBatch
  readonly #discovery: Discovery
  readonly #readers = new Map<KindName, KindReader>()
  readonly #resolveSynced: () => void
  /** Nothing holds up what is read last any more. */
  readonly #readLast: () => void
  #isDiscovered = false
  #isSynced = false
  /** What the load waits for. */
  #awaited: { readonly readers: readonly KindReader[]; readonly onSettled: () => void } | undefined
  #cancelWait = () => {}

  constructor(options: KubernetesProviderOptions) {
    this.#options = options
    const { client, sink, statuses, logger, clock = systemClock, last, onBundle, random = Math.random } = options
    const { promise, resolve } = Promise.withResolvers<void>()
    this.hasSynced = promise
    this.#resolveSynced = resolve
    const { promise: readsAfter, resolve: readLast } = Promise.withResolvers<void>()
    this.#readLast = readLast
    void last?.after.then(readLast)
    this.#batch = new ChangeBatch(sink, statuses, logger)
    const names = options.kinds ?? (Object.keys(kinds) as KindName[])
    for (const kind of names) {
      const reader = new KindReader({
        kind,
        client,
        clock,
        logger,
        random,
        batch: this.#batch,
        targets: this.#listTargets(kind),
        ...(last?.kinds.includes(kind) && { readsAfter }),
        onChange: () => this.#checkSettled(),
        onRecovery: () => {
          for (const other of this.#readers.values()) other.nudge()
        },
        // A kind that is said to be unknown may have lost its CRD.
        onAbsent: () => this.#discovery.refresh(),
      })
      this.#readers.set(kind, reader)
    }
    this.#discovery = new Discovery({
      client,
      clock,
      logger,
      kinds: names,
      random,
      onChange: (served) => this.#serve(served),
      ...(onBundle && { onBundle }),
    })
  }

  start(): void {
    const { watchNamespaces, kinds: names, clock = systemClock, last } = this.#options
    // Without the right to read Namespaces, selectors still find them by name.
    if (watchNamespaces && (names ?? ['Namespace']).includes('Namespace'))
      for (const name of watchNamespaces)
        this.#readers.get('Namespace')?.imply(namespacedName('', name), {
          metadata: { name, resourceVersion: '0', labels: { [nameLabel]: name } },
        })
    this.#discovery.start()
    for (const [kind, resource] of this.#discovery.served) this.#readers.get(kind)?.serve(resource)
    if (last) this.#cancelWait = clock.after(longestWait, this.#readLast)
    void this.#load()
  }

  /** Ends all watches. What was handed on stays. */
  async stop(): Promise<void> {
    this.#cancelWait()
    this.#batch.close()
    await Promise.all([this.#discovery.stop(), ...[...this.#readers.values()].map((reader) => reader.stop())])
  }

  /** Where a kind is served now; undefined: nowhere, or it is none of ours. For whoever writes. */
  resourceOf(kind: string): ApiResource | undefined {
    return this.#readers.get(kind as KindName)?.resource
  }

  /** Reads the CustomResourceDefinitions. */
  get definitions(): Reflector {
    return this.#discovery.definitions
  }

  status(): ProviderStatus {
    return {
      hasSynced: this.#isSynced,
      batches: this.#batch.batches,
      bundle: this.#discovery.bundle,
      kinds: Object.fromEntries([...this.#readers].map(([kind, reader]) => [kind, reader.status()])),
    }
  }

  /** What one kind is made of: everything, or a part for each namespace. */
  #listTargets(kind: KindName): readonly ReaderTarget[] {
    const { watchNamespaces } = this.#options
    const { clusterScoped }: KindDefinition = kinds[kind]
    if (!watchNamespaces || kind === 'GatewayClass') return [{ namespace: '', isOptional: false }]
    if (!clusterScoped) return watchNamespaces.map((namespace) => ({ namespace, isOptional: false }))
    if (kind !== 'Namespace') return []
    return watchNamespaces.map((name) => ({
      namespace: '',
      selector: { fieldSelector: `metadata.name=${name}` },
      isOptional: true,
    }))
  }

  #serve(served: ServedKinds): void {
    for (const [kind, reader] of this.#readers) reader.serve(served.get(kind))
    this.#isDiscovered = true
    this.#checkSettled()
  }

  /** Hands on everything, once it has been read. */
  async #load(): Promise<void> {
    const { last, logger } = this.#options
    if (last) {
      await this.#settled((kind) => !last.kinds.includes(kind))
      await this.#batch.handOn()
      this.#cancelWait()
      this.#readLast()
    }
    await this.#settled(() => true)
    const counts = Object.fromEntries([...this.#readers].map(([kind, reader]) => [kind, reader.status().objects]))
    logger.info('Everything has been read from the API server.', counts)
    await this.#batch.release()
    this.#isSynced = true
    this.#resolveSynced()
  }

  /** Resolves when there is nothing to wait for of these kinds. */
  #settled(isMeant: (kind: KindName) => boolean): Promise<void> {
    const readers = [...this.#readers].flatMap(([kind, reader]) => (isMeant(kind) ? [reader] : []))
    return new Promise((onSettled) => {
      this.#awaited = { readers, onSettled }
      this.#checkSettled()
    })
  }

  #checkSettled(): void {
    if (!this.#isDiscovered || !this.#awaited?.readers.every((reader) => reader.isSettled)) return
    const { onSettled } = this.#awaited
    this.#awaited = undefined
    onSettled()
  }
}
