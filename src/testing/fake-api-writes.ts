import type { FakeAnswer, FakeRequest } from './fake-api-connection.ts'
import { refuse } from './fake-api-connection.ts'
import { applyByManager, applyMergePatch, formatOwnedPath, type Owners, recordOwner } from './fake-api-patch.ts'
import type { FakeApiStore, FakeMetadata, FakeObject, FakeTable } from './fake-api-store.ts'

/** Which object a write is about. */
export interface WriteTarget {
  readonly table: FakeTable
  readonly namespace: string
  /** '' to create one. */
  readonly name: string
  /** '' or "status". */
  readonly subresource: string
  readonly query: URLSearchParams
}

/** Writes of clients, with the rules of an API server: conflicts, status apart, field owners. */
export class FakeApiWrites {
  readonly #store: FakeApiStore
  readonly #owners = new Map<string, Owners>()

  constructor(store: FakeApiStore) {
    this.#store = store
  }

  /** Answers one write. Objects of the answer are as they are stored. */
  write(request: FakeRequest, target: WriteTarget): FakeAnswer {
    const { table, namespace, name } = target
    const current = table.objects.get(`${namespace}/${name}`)
    if (request.method === 'POST') return this.#create(request.body as FakeObject, target)
    const applies = request.contentType.startsWith('application/apply-patch')
    if (current === undefined) {
      if (applies && target.subresource === '') return this.#apply(undefined, request.body as FakeObject, target)
      return refuse(404, 'NotFound', `${table.resource.plural} "${name}" not found`)
    }
    if (request.method === 'DELETE') return this.#delete(current, request.body, target)
    if (request.method === 'PUT') return this.#update(current, request.body as FakeObject, target)
    if (applies) return this.#apply(current, request.body as FakeObject, target)
    if (request.contentType.startsWith('application/merge-patch'))
      return this.#update(
        current,
        applyMergePatch(current, request.body) as FakeObject,
        target,
        request.body as FakeObject,
      )
    return refuse(415, 'UnsupportedMediaType', `the content type ${request.contentType} is not supported`)
  }

  /** Whoever wrote the fields of an object. */
  ownersOf({ table, namespace, name }: Pick<WriteTarget, 'table' | 'namespace' | 'name'>): Owners {
    const id = `${table.resource.plural}.${table.resource.group}/${namespace}/${name}`
    const owners = this.#owners.get(id) ?? new Map()
    this.#owners.set(id, owners)
    return owners
  }

  #create(body: FakeObject, target: WriteTarget): FakeAnswer {
    const { table, namespace, query } = target
    const { metadata, status, ...content } = body
    const name = metadata?.name
    if (metadata === undefined || (name === undefined && metadata.generateName === undefined))
      return refuse(422, 'Invalid', 'metadata.name: Required value: name or generateName is required')
    if (name !== undefined && table.objects.has(`${namespace}/${name}`))
      return refuse(409, 'AlreadyExists', `${table.resource.plural} "${name}" already exists`)
    const place = table.resource.clusterScoped ? {} : { namespace }
    const object = this.#store.create(table, {
      ...content,
      ...(!table.resource.hasStatus && status !== undefined && { status }),
      metadata: { ...metadata, ...place },
    })
    const owners = this.ownersOf({ table, namespace, name: object.metadata.name ?? '' })
    owners.clear()
    recordOwner(owners, query.get('fieldManager') ?? 'unknown', undefined, ownedPart(object, ''))
    return { status: 201, body: object }
  }

  #update(current: FakeObject, body: FakeObject, target: WriteTarget, patch: FakeObject = body): FakeAnswer {
    const { table, subresource, query } = target
    const refusal = checkPreconditions(current, patch.metadata, table)
    if (refusal) return refusal
    const next =
      subresource === 'status'
        ? { ...current, status: body.status }
        : { ...body, ...(table.resource.hasStatus && { status: current.status }) }
    const manager = query.get('fieldManager') ?? 'unknown'
    recordOwner(this.ownersOf(target), manager, ownedPart(current, subresource), ownedPart(next, subresource))
    return { status: 200, body: this.#store.replace(table, current, next) }
  }

  #apply(current: FakeObject | undefined, body: FakeObject, target: WriteTarget): FakeAnswer {
    const { table, namespace, name, subresource, query } = target
    const manager = query.get('fieldManager')
    if (!manager) return refuse(422, 'Invalid', 'fieldManager: Required value: is required for apply patch')
    const refusal = current && checkPreconditions(current, body.metadata, table)
    if (refusal) return refusal
    const { object, conflicts } = applyByManager(
      current && ownedPart(current, subresource),
      ownedPart(body, subresource),
      this.ownersOf(target),
      manager,
      query.get('force') === 'true',
    )
    if (conflicts.length > 0) {
      const causes = conflicts.map(({ manager: other, path }) => ({
        reason: 'FieldManagerConflict',
        message: `conflict with "${other}" using ${body.apiVersion}`,
        field: formatOwnedPath(path),
      }))
      const list = causes.map((cause) => `${cause.message}: ${cause.field}`).join('\n')
      return refuse(409, 'Conflict', `Apply failed with ${conflicts.length} conflicts: ${list}`, undefined, causes)
    }
    const merged = object as FakeObject
    if (current !== undefined) {
      const next = subresource === 'status' ? { ...current, status: merged.status } : withHead(merged, current)
      return { status: 200, body: this.#store.replace(table, current, next) }
    }
    const place = table.resource.clusterScoped ? { name } : { name, namespace }
    const { apiVersion, kind } = body
    const created = { apiVersion, kind, ...merged, metadata: { ...merged.metadata, ...place } } as FakeObject
    return { status: 201, body: this.#store.create(table, created) }
  }

  #delete(current: FakeObject, body: unknown, { table }: WriteTarget): FakeAnswer {
    const { preconditions } = (body ?? {}) as { preconditions?: FakeMetadata }
    const refusal = checkPreconditions(current, preconditions, table)
    if (refusal) return refusal
    return { status: 200, body: this.#store.delete(table, current) }
  }
}

function checkPreconditions(current: FakeObject, wanted: FakeMetadata | undefined, table: FakeTable) {
  const { resourceVersion = '', uid } = wanted ?? {}
  const { name, uid: currentUid, resourceVersion: currentVersion } = current.metadata
  if (uid !== undefined && uid !== currentUid)
    return refuse(
      409,
      'Conflict',
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${currentUid}`,
    )
  if (resourceVersion === '' || resourceVersion === currentVersion) return undefined
  const what = `${table.resource.plural} "${name}"`
  return refuse(409, 'Conflict', `Operation cannot be fulfilled on ${what}: the object has been modified`)
}

/** What fields of an object can be owned: not its identity, and status only through its subresource. */
function ownedPart(
  { apiVersion: _a, kind: _k, metadata, status, ...content }: FakeObject,
  subresource: string,
): object {
  if (subresource === 'status') return { status }
  const { labels, annotations, finalizers, ownerReferences } = metadata ?? {}
  const given = Object.entries({ labels, annotations, finalizers, ownerReferences }).filter(([, v]) => v !== undefined)
  return { ...content, ...(given.length > 0 && { metadata: Object.fromEntries(given) }) }
}

function withHead(content: FakeObject, { apiVersion, kind, metadata, status }: FakeObject): FakeObject {
  const { labels: _l, annotations: _a, finalizers: _f, ownerReferences: _o, ...kept } = metadata
  return {
    apiVersion,
    kind,
    ...content,
    metadata: { ...kept, ...content.metadata },
    ...(status !== undefined && { status }),
  } as FakeObject
}
