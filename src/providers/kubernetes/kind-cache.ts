import { isDeepStrictEqual } from 'node:util'
import type { Logger } from '../../base/logger.ts'
import { SharedParts } from '../../base/shared-parts.ts'
import { type KindDefinition, type KindName, type KubernetesObject, kinds } from '../../gatewayapi/kinds.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import { apiVersionOf } from '../../gatewayapi/objects/object-meta.ts'
import { noStrings } from '../../gatewayapi/objects/schema.ts'
import { validateObject } from '../../gatewayapi/validate-object.ts'
import type { LiveStatus } from './api-client.ts'
import type { ChangeBatch } from './change-batch.ts'
import { asObject, type JsonObject } from './json.ts'
import { hasGeneration, projectLabels, projectObject } from './projection.ts'
import type { RawMetadata, RawObject } from './raw-object.ts'

export interface KindCacheOptions {
  readonly kind: KindName
  readonly batch: ChangeBatch
  readonly logger: Logger
}

/**
 * The objects of one kind as they were handed on, so that what changes nothing for us goes no further:
 * statuses, managed fields, annotations, events that only repeat.
 */
export class KindCache {
  readonly #options: KindCacheOptions
  readonly #definition: KindDefinition
  readonly #objects = new Map<NamespacedName, KubernetesObject>()
  readonly #parts = new SharedParts(noStrings)
  /** Key -> what was last logged about it. */
  readonly #refused = new Map<NamespacedName, string>()
  readonly #hasGeneration: boolean
  /** Versions of objects that the API server has accepted and our schema does not. */
  refusals = 0

  constructor(options: KindCacheOptions) {
    this.#options = options
    this.#definition = kinds[options.kind]
    this.#hasGeneration = hasGeneration(options.kind)
  }

  /** Objects that are in force. */
  get size(): number {
    return this.#objects.size
  }

  /** Objects whose newest version is refused. */
  get refusedObjects(): number {
    return this.#refused.size
  }

  /** @param listed an object may be another one without a new generation */
  put(key: NamespacedName, raw: RawObject, listed: boolean): void {
    const { kind, batch } = this.#options
    if (this.#hasGeneration) batch.addStatus({ kind, key, live: readLiveStatus(raw) })
    const before = this.#objects.get(key)
    if (before && !listed && this.#hasGeneration && isSameGeneration(kind, before, raw.metadata)) return
    const { group, versions } = this.#definition
    // Items of built-in lists do not say what they are.
    const version = String(raw['apiVersion'] ?? apiVersionOf(group, String(versions[0])))
    const { object, errors = [] } = validateObject(projectObject(kind, version, raw), { unknownFields: 'drop' })
    if (object === undefined) {
      this.#refuse(key, errors[0]?.message ?? '')
      return
    }
    if (this.#refused.delete(key)) this.#options.logger.info(`${kind} ${key} can be used again.`)
    if (before && isDeepStrictEqual(before, object)) return
    this.#share(object)
    this.#objects.set(key, object)
    batch.add({ kind, key, object })
  }

  delete(key: NamespacedName): void {
    const { kind, batch } = this.#options
    if (this.#hasGeneration) batch.addStatus({ kind, key, live: undefined })
    this.#refused.delete(key)
    if (this.#objects.delete(key)) batch.add({ kind, key, object: undefined })
  }

  /** The kind is not served any more. */
  clear(): void {
    for (const key of [...this.#objects.keys(), ...this.#refused.keys()]) this.delete(key)
  }

  #share(object: KubernetesObject): void {
    // Of what tells objects apart, only these repeat.
    const metadata = object.metadata as { namespace: string; creationTimestamp?: string | undefined }
    const { namespace, creationTimestamp } = metadata
    metadata.namespace = this.#parts.shareText(namespace)
    if (creationTimestamp !== undefined) metadata.creationTimestamp = this.#parts.shareText(creationTimestamp)
    this.#parts.shareWithin(object, 'metadata')
  }

  /** What was in force stays so. */
  #refuse(key: NamespacedName, problem: string): void {
    this.refusals++
    if (this.#refused.get(key) === problem) return
    this.#refused.set(key, problem)
    const { logger, kind } = this.#options
    const effect = this.#objects.has(key) ? 'its last good version stays in force' : 'it is left out'
    logger.warn(`${kind} ${key} cannot be used, and ${effect}.`, { kind, key, problem })
  }
}

/** Whether nothing that is kept can have changed. */
function isSameGeneration(kind: KindName, { metadata: before }: KubernetesObject, metadata: RawMetadata): boolean {
  if (before.generation === undefined || before.generation !== metadata['generation']) return false
  if (before.uid !== metadata['uid']) return false
  if (before.deletionTimestamp !== (metadata['deletionTimestamp'] ?? undefined)) return false
  const labels = Object.entries(asObject(projectLabels(kind, metadata['labels'])))
  return (
    labels.length === Object.keys(before.labels).length &&
    labels.every(([name, value]) => before.labels[name] === value)
  )
}

function readLiveStatus({ metadata, status }: RawObject): LiveStatus {
  const { resourceVersion, generation, uid } = metadata as RawMetadata & JsonObject
  return {
    resourceVersion,
    generation: typeof generation === 'number' ? generation : 0,
    uid: String(uid ?? ''),
    status: readStatusText(status),
  }
}

/** One text for one status: escapes are what writers differ in. */
function readStatusText(status: unknown): string {
  if (status === undefined) return ''
  if (typeof status !== 'string') return JSON.stringify(status)
  return status.includes('\\') ? JSON.stringify(JSON.parse(status)) : status
}
