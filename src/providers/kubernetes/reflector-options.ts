import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import type { ApiClient, ApiResource } from './api-client.ts'
import type { Plan } from './field-plan.ts'
import type { KnownVersions } from './known-versions.ts'
import type { RawObject } from './raw-object.ts'
import type { ReflectorState } from './reflector-health.ts'

/** Where the objects go. A throw harms no other object: it is logged and counted. */
export interface ReflectorSink {
  /**
   * @param listed it comes from a complete load, which shows what no event tells: a new default of a CRD
   *   changes objects without a new generation
   */
  put(key: NamespacedName, object: RawObject, listed: boolean): void
  delete(key: NamespacedName): void
  /** The state is another one. */
  onState(state: ReflectorState): void
}

export interface ReflectorOptions {
  readonly client: ApiClient
  readonly clock: Clock
  readonly logger: Logger
  readonly sink: ReflectorSink
  readonly resource: ApiResource
  /** For people, e.g. "HTTPRoute". */
  readonly kind: string
  /** Nothing is amiss without the right to read it; false unless given. */
  readonly isOptional?: boolean
  /** '' for all, and for kinds of the cluster. */
  readonly namespace?: string
  /** fieldSelector or labelSelector. */
  readonly selector?: Readonly<Record<string, string>>
  /** Of lists and watches, e.g. for metadata alone. */
  readonly accept?: { readonly list: string; readonly watch: string }
  /** What of an object is read: of a text the rest may be left out. All but managed fields unless given. */
  readonly plan?: Plan
  /**
   * Whether everything is loaded by a list also where a watch could begin with it (WatchList). That is one request more,
   * but half the CPU of the API server (1.34) for each object: for kinds of which there may be thousands. No unless
   * given.
   */
  readonly beginsWithList?: boolean
  /** A list is asked for, but not read before; at once unless given. */
  readonly readsAfter?: Promise<void>
  /** Objects in one answer; all of them unless given, and fewer when that fails. */
  readonly pageSize?: number
  /** What an earlier reflector of the same objects has put into the sink; nothing unless given. */
  readonly known?: KnownVersions
  readonly random?: () => number
}
