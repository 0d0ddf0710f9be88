import { contentVersion } from '../../base/hash.ts'
import type { Logger } from '../../base/logger.ts'
import { type NamespacedName, namespacedName, splitNamespacedName } from '../../gatewayapi/object-key.ts'
import type { Applier, ApplyResult, ObjectIdentity } from '../../infrastructure/applier.ts'
import { infrastructureResources, type Manifest } from '../../infrastructure/manifest.ts'
import { type ApiClient, ApiError, apiPath } from './api-client.ts'
import { contains, leaveOut } from './field-path.ts'
import { asList, asObject, type JsonObject } from './json.ts'
import { type LiveObject, readLiveObject } from './live-object.ts'
import type { OwnedObjects } from './owned-objects.ts'

/** Whom the API server knows as the owner of the fields that we set. */
export const fieldManager = 'gatewright'

/** A version of what we applied last, on the object itself, so that a restart knows that nothing is to be done. */
const appliedAnnotation = 'gatewright.dev/applied-version'

/** Rounds of giving way: one is enough unless others are writing at the same moment. */
const maxRounds = 4

/** Plain numbers since the start. */
export interface ApplierCounters {
  created: number
  applied: number
  unchanged: number
  deleted: number
  refused: number
  /** Fields that were left to others. */
  yielded: number
}

export interface KubernetesApplierOptions {
  readonly client: ApiClient
  readonly owned: Pick<OwnedObjects, 'get'>
  readonly logger: Logger
}

/** What we remember of an object. */
interface Memory {
  /** It needed nothing when it was so: what we wanted, and what had become of it. */
  settled?: { readonly uid: string; readonly wanted: string; readonly live: string }
  /** What was told of it last, so that it is told once. */
  yielded: string
  refused: string
}

/** Applies by server-side apply: each field of an object belongs to whoever set it. See {@link Applier}. */
export class KubernetesApplier implements Applier {
  readonly #options: KubernetesApplierOptions
  /** By Gateway, then by kind and name. */
  readonly #memories = new Map<NamespacedName, Map<string, Memory>>()
  readonly counters: ApplierCounters = { created: 0, applied: 0, unchanged: 0, deleted: 0, refused: 0, yielded: 0 }

  constructor(options: KubernetesApplierOptions) {
    this.#options = options
  }

  /** Gateways whose objects we remember something of. */
  get remembered(): number {
    return this.#memories.size
  }

  async apply(manifest: Manifest, onlyCreate = false): Promise<ApplyResult> {
    const wanted = contentVersion(JSON.stringify(manifest))
    const known = this.#options.owned.get(manifest.kind, keyOf(manifest))
    if (known && isOwn(known, manifest)) {
      if (known.isDeleting) return { state: 'deleting' }
      if (onlyCreate) return { state: 'kept' }
      if (this.#isSettled(manifest, wanted, known)) return this.#count('unchanged')
    }
    // The watch does not show what is not ours, and may be late with what is.
    let live: LiveObject | undefined
    try {
      live = await this.find({ kind: manifest.kind, key: keyOf(manifest) })
    } catch (error) {
      // Without the right to look, whatever else the Gateway needs is made all the same.
      if (isHttp(error, 403)) return this.#refuse(manifest, (error as ApiError).message)
      throw error
    }
    if (live && !isOwn(live, manifest)) return this.#judgeForeign(manifest, live)
    if (live?.isDeleting) return { state: 'deleting' }
    if (live && onlyCreate) return { state: 'kept' }
    if (live && this.#isSettled(manifest, wanted, live)) return this.#count('unchanged')
    return this.#write(manifest, wanted, live)
  }

  async remove({ kind, key, uid }: ObjectIdentity): Promise<void> {
    const { namespace, name } = splitNamespacedName(key)
    try {
      await this.#options.client.call({
        method: 'DELETE',
        path: apiPath(infrastructureResources[kind], namespace, name),
        body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid }, propagationPolicy: 'Background' },
      })
    } catch (error) {
      // Gone, or another one by now.
      if (isHttp(error, 404) || isHttp(error, 409)) return
      throw error
    }
    this.counters.deleted++
    this.#options.logger.info('Deleted what is no longer needed', { kind, object: key })
  }

  forget(gateway: NamespacedName): void {
    this.#memories.delete(gateway)
  }

  #isSettled(manifest: Manifest, wanted: string, live: LiveObject): boolean {
    const memory = this.#recall(manifest)
    const { settled } = memory
    if (settled?.uid === live.uid && settled.wanted === wanted && settled.live === live.version) return true
    const annotations = asObject(asObject(live.content['metadata'])['annotations'])
    if (annotations[appliedAnnotation] !== wanted || !contains(live.content, contentOf(manifest))) return false
    memory.settled = { uid: live.uid, wanted, live: live.version }
    return true
  }

  #judgeForeign(manifest: Manifest, { owner, isDeleting }: LiveObject): ApplyResult {
    const [own] = manifest.metadata.ownerReferences
    const [, name] = owner?.key.split('/') ?? []
    const isSameName = owner?.kind === own?.kind && name === own?.name
    // Of one of the same name that is gone: the garbage collector is on its way.
    if (isDeleting || (isSameName && owner?.uid !== own?.uid)) return { state: 'deleting' }
    const whose = owner === undefined ? 'belongs to somebody else' : `belongs to ${owner.kind} "${name}"`
    const fix = `delete it, or rename the ${own?.kind}`
    return this.#refuse(manifest, `${manifest.kind} "${keyOf(manifest)}" exists already and ${whose}: ${fix}`)
  }

  /** An object as it is now, whoever it belongs to. */
  async find({ kind, key }: Pick<ObjectIdentity, 'kind' | 'key'>): Promise<LiveObject | undefined> {
    const { namespace, name } = splitNamespacedName(key)
    try {
      const path = apiPath(infrastructureResources[kind], namespace, name)
      return readLiveObject(kind, asObject(await this.#options.client.call({ method: 'GET', path })))
    } catch (error) {
      if (isHttp(error, 404)) return undefined
      throw error
    }
  }

  async #write(manifest: Manifest, wanted: string, live: LiveObject | undefined): Promise<ApplyResult> {
    const whole = withAnnotation(manifest, wanted)
    const left = new Set<string>()
    for (let round = 1; ; round++) {
      const { object: body, unknown } = leaveOut(whole, left)
      if (unknown.length > 0) return this.#refuse(manifest, describeConflict(manifest, unknown))
      try {
        const answer = await this.#apply(manifest, body, live)
        if (!live && isShared(answer)) return await this.#withdraw(manifest, answer)
        const now = readLiveObject(manifest.kind, asObject(answer))
        this.#recall(manifest).settled = { uid: now.uid, wanted, live: now.version }
        this.#tellYielded(manifest, left)
        return this.#count(live ? 'applied' : 'created')
      } catch (error) {
        const fields = conflictsOf(error)
        // Where there was nothing to conflict with, somebody has just made an object of that name.
        if (live && fields.length > 0 && round < maxRounds) for (const field of fields) left.add(field)
        else if (isUsersMatter(error)) return this.#refuse(manifest, (error as ApiError).message)
        else throw error
      }
    }
  }

  /** Somebody made an object of that name in the same moment, and we have added to it: takes that back. */
  async #withdraw({ apiVersion, kind, metadata, ...rest }: Manifest, answer: unknown): Promise<never> {
    const { namespace, name } = metadata
    const { uid } = asObject(asObject(answer)['metadata'])
    const nothing = { apiVersion, kind, metadata: { name, namespace, uid } }
    await this.#send({ apiVersion, kind, metadata, ...rest }, nothing)
    throw new ApiError('http', `${kind} "${namespace}/${name}" was made by somebody else`, { status: 409 })
  }

  #apply(manifest: Manifest, body: JsonObject, live: LiveObject | undefined): Promise<unknown> {
    // With its uid, only this very object is changed, and none is made if it has gone meanwhile.
    const metadata = live ? { ...asObject(body['metadata']), uid: live.uid } : body['metadata']
    return this.#send(manifest, { ...body, metadata })
  }

  #send(manifest: Manifest, body: JsonObject): Promise<unknown> {
    return this.#options.client.call({
      method: 'PATCH',
      path: pathOf(manifest),
      query: { fieldManager, force: 'false' },
      contentType: 'application/apply-patch+yaml',
      body,
    })
  }

  #tellYielded(manifest: Manifest, left: ReadonlySet<string>): void {
    const fields = [...left].sort()
    this.counters.yielded += fields.length
    const memory = this.#recall(manifest)
    const text = fields.join(' ')
    if (text !== '' && memory.yielded !== text)
      this.#options.logger.info('Fields of an object stay as somebody else has set them', {
        kind: manifest.kind,
        object: keyOf(manifest),
        fields,
      })
    memory.yielded = text
  }

  #refuse(manifest: Manifest, message: string): ApplyResult {
    this.counters.refused++
    const memory = this.#recall(manifest)
    if (memory.refused !== message)
      this.#options.logger.warn('An object cannot be made', { object: keyOf(manifest), reason: message })
    memory.refused = message
    return { state: 'refused', message }
  }

  #recall(manifest: Manifest): Memory {
    const { namespace, ownerReferences } = manifest.metadata
    const gateway = namespacedName(namespace, ownerReferences[0]?.name ?? '')
    const ofGateway = this.#memories.get(gateway) ?? new Map<string, Memory>()
    this.#memories.set(gateway, ofGateway)
    const id = `${manifest.kind} ${manifest.metadata.name}`
    const memory = ofGateway.get(id) ?? { yielded: '', refused: '' }
    ofGateway.set(id, memory)
    return memory
  }

  #count(state: 'created' | 'applied' | 'unchanged'): ApplyResult {
    this.counters[state]++
    return { state }
  }
}

function keyOf({ metadata }: Manifest) {
  return namespacedName(metadata.namespace, metadata.name)
}

/** What of a manifest a {@link LiveObject} has. */
function contentOf({ apiVersion: _apiVersion, kind: _kind, ...content }: Manifest): JsonObject {
  return { ...content }
}

function pathOf({ kind, metadata }: Manifest): string {
  return apiPath(infrastructureResources[kind], metadata.namespace, metadata.name)
}

function isOwn(live: LiveObject, manifest: Manifest): boolean {
  return live.owner?.uid === manifest.metadata.ownerReferences[0]?.uid
}

function withAnnotation(manifest: Manifest, version: string): JsonObject {
  const annotations = { ...manifest.metadata.annotations, [appliedAnnotation]: version }
  return { ...manifest, metadata: { ...manifest.metadata, annotations } }
}

function isHttp(error: unknown, status: number): boolean {
  return error instanceof ApiError && error.code === 'http' && error.status === status
}

/** Fields that somebody else has set to something else. */
function conflictsOf(error: unknown): readonly string[] {
  if (!isHttp(error, 409)) return []
  const causes = (error as ApiError).causes.filter((cause) => cause.reason === 'FieldManagerConflict')
  return causes.map((cause) => cause.field)
}

/** Whether others than we have set fields of an object. */
function isShared(answer: unknown): boolean {
  const managers = asList(asObject(asObject(answer)['metadata'])['managedFields'])
  return managers.some((entry) => entry['manager'] !== fieldManager)
}

/** Invalid for the API server, or refused by a policy or a quota: trying again does not help. */
function isUsersMatter(error: unknown): boolean {
  if (!(error instanceof ApiError) || error.code !== 'http') return false
  return [400, 403, 422].includes(error.status)
}

function describeConflict(manifest: Manifest, fields: readonly string[]): string {
  return `${manifest.kind} "${keyOf(manifest)}" has fields of somebody else that cannot be left to them: ${fields.join(', ')}`
}
