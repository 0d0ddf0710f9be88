import { isDeepStrictEqual } from 'node:util'
import type { FakeResource } from './fake-api-resources.ts'

/** An object as JSON; nobody changes one that is stored. */
export interface FakeObject {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata: FakeMetadata
  readonly spec?: unknown
  readonly status?: unknown
  readonly [field: string]: unknown
}

export interface FakeMetadata {
  readonly name?: string
  readonly namespace?: string
  readonly generateName?: string
  readonly uid?: string
  readonly resourceVersion?: string
  readonly generation?: number
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly finalizers?: readonly string[]
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly [field: string]: unknown
}

/** One change, as watches tell it. */
export interface FakeEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly version: number
  readonly object: FakeObject
  readonly previous: FakeObject | undefined
}

/** The objects of one resource with their history. */
export class FakeTable {
  readonly resource: FakeResource
  readonly objects = new Map<string, FakeObject>()
  /** In order of their versions; those that are compacted are gone. */
  events: FakeEvent[] = []
  /** Watches that begin at an earlier version than this are too old. */
  oldest = 0
  readonly listeners = new Set<(event: FakeEvent) => void>()

  constructor(resource: FakeResource) {
    this.resource = resource
  }
}

/** "namespace/name", "/name" for objects of the cluster. */
export function keyOf({ metadata }: FakeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`
}

/**
 * What an API server has behind it: objects, one version counter for all of them, and history.
 * Writes that change nothing are no events.
 */
export class FakeApiStore {
  #version = 1000
  #uid = 0
  readonly #tables = new Map<string, FakeTable>()

  constructor(resources: readonly FakeResource[]) {
    for (const resource of resources) this.addTable(resource)
  }

  /** The newest version of all. */
  get version(): number {
    return this.#version
  }

  tables(): Iterable<FakeTable> {
    return this.#tables.values()
  }

  table(group: string, plural: string): FakeTable | undefined {
    return this.#tables.get(`${plural}.${group}`)
  }

  /** @throws when nothing of the kind is served */
  tableOfKind(apiVersion: string | undefined, kind: string | undefined): FakeTable {
    const group = apiVersion?.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''
    for (const table of this.#tables.values())
      if (table.resource.kind === kind && table.resource.group === group) return table
    throw new Error(`The fake API server serves no ${kind} of ${apiVersion}`)
  }

  addTable(resource: FakeResource): void {
    this.#tables.set(`${resource.plural}.${resource.group}`, new FakeTable(resource))
  }

  /** Forgets a resource; its objects are deleted first, as the API server does with those of a CRD. */
  removeTable(table: FakeTable): void {
    for (const object of [...table.objects.values()]) this.#record(table, 'DELETED', undefined, object)
    this.#tables.delete(`${table.resource.plural}.${table.resource.group}`)
  }

  /** Stores a new object. Fills in what an API server would. */
  create(table: FakeTable, object: FakeObject): FakeObject {
    const { generateName, name = `${generateName}${(++this.#uid).toString(36).padStart(5, '0')}` } = object.metadata
    const metadata = {
      ...object.metadata,
      name,
      uid: `00000000-0000-4000-8000-${String(++this.#uid).padStart(12, '0')}`,
      creationTimestamp: object.metadata.creationTimestamp ?? new Date().toISOString().replace(/\.\d+Z/, 'Z'),
      ...(table.resource.hasGeneration && { generation: 1 }),
    }
    return this.#record(table, 'ADDED', { ...object, metadata }, undefined)
  }

  /**
   * Stores another content of an object that exists. What the server keeps to itself (uid, times,
   * generation) stays; without finalizers an object that is being deleted goes.
   */
  replace(table: FakeTable, previous: FakeObject, object: FakeObject): FakeObject {
    const { uid, creationTimestamp, deletionTimestamp, resourceVersion, generation = 1 } = previous.metadata
    const changed = !isDeepStrictEqual(contentOf(previous), contentOf(object))
    const metadata = {
      ...object.metadata,
      uid,
      creationTimestamp,
      resourceVersion,
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
      ...(table.resource.hasGeneration && { generation: changed ? generation + 1 : generation }),
    }
    const next = JSON.parse(JSON.stringify({ ...object, metadata })) as FakeObject
    if (isDeepStrictEqual(next, previous)) return previous
    if (deletionTimestamp !== undefined && !next.metadata.finalizers?.length)
      return this.#record(table, 'DELETED', undefined, next)
    return this.#record(table, 'MODIFIED', next, previous)
  }

  /** Deletes an object; while it has finalizers it is only marked. */
  delete(table: FakeTable, object: FakeObject): FakeObject {
    if (!object.metadata.finalizers?.length) return this.#record(table, 'DELETED', undefined, object)
    if (object.metadata.deletionTimestamp !== undefined) return object
    const metadata = { ...object.metadata, deletionTimestamp: new Date().toISOString().replace(/\.\d+Z/, 'Z') }
    return this.#record(table, 'MODIFIED', { ...object, metadata }, object)
  }

  /** Makes every version so far too old to watch from. */
  compact(): void {
    for (const table of this.#tables.values()) {
      table.events = []
      table.oldest = this.#version
    }
  }

  #record(table: FakeTable, type: FakeEvent['type'], next: FakeObject | undefined, previous: FakeObject | undefined) {
    const version = ++this.#version
    const written = (next ?? previous) as FakeObject
    const metadata = { ...written.metadata, resourceVersion: String(version) }
    const object = JSON.parse(JSON.stringify({ ...written, metadata })) as FakeObject
    if (type === 'DELETED') table.objects.delete(keyOf(object))
    else table.objects.set(keyOf(object), object)
    const event: FakeEvent = { type, version, object, previous }
    table.events.push(event)
    for (const listener of [...table.listeners]) listener(event)
    return object
  }
}

/** What generation counts. */
function contentOf({ metadata: _metadata, status: _status, ...content }: FakeObject): object {
  return JSON.parse(JSON.stringify(content)) as object
}
