import { isDeepStrictEqual } from 'node:util'
import { compareBy, compareStrings } from '../../base/compare.ts'
import type { KindName, KubernetesObject, ObjectOf } from '../../gatewayapi/kinds.ts'
import { type NamespacedName, namespacedName } from '../../gatewayapi/object-key.ts'
import type { ObjectChange } from '../object-sink.ts'
import type { Claim } from './manifest-file.ts'
import type { FileProblem } from './report.ts'

/** Which of two files goes first: that of the earlier argument, then by path. */
export interface FileRank {
  /** Position among the arguments. */
  readonly argument: number
  readonly path: string
}

/** The label that carries the name of every Namespace, so that selectors can name one. */
const nameLabel = 'kubernetes.io/metadata.name'

type ObjectId = string & { readonly __brand: 'ObjectId' }

interface RankedClaim extends Claim {
  readonly file: FileRank
  readonly index: number
  /** Its file is about to go: any other claim goes first, and nobody is told of a duplicate. */
  readonly vanishing: boolean
}

interface Entry {
  readonly kind: KindName
  readonly key: NamespacedName
  /** As written, before generation and labels were filled in. */
  readonly written: KubernetesObject | undefined
  readonly object: KubernetesObject
}

const compareClaims: (a: RankedClaim, b: RankedClaim) => number = compareBy(
  (a, b) => Number(a.vanishing) - Number(b.vanishing),
  (a, b) => a.file.argument - b.file.argument,
  (a, b) => compareStrings(a.file.path, b.file.path),
  (a, b) => a.index - b.index,
)

/**
 * The objects of all files together. Of several claims to one object the first counts, by file and place
 * in the file; the next one takes over when it goes. Fills in what an API server would: generation,
 * and a Namespace for every namespace that is mentioned.
 */
export class ObjectTable {
  readonly #claimsOfFile = new Map<string, readonly RankedClaim[]>()
  readonly #claims = new Map<ObjectId, RankedClaim[]>()
  readonly #contested = new Set<ObjectId>()
  readonly #dirty = new Map<ObjectId, { readonly kind: KindName; readonly key: NamespacedName }>()
  readonly #entries = new Map<ObjectId, Entry>()
  /** How many objects in force a namespace has. */
  readonly #population = new Map<string, number>()

  /** Objects in force, Namespaces that nobody declared included. */
  get size(): number {
    return this.#entries.size
  }

  /** Makes these the claims of a file; none removes the file. {@link settle} tells what came of it. */
  setClaims(file: FileRank, claims: readonly Claim[], vanishing = false): void {
    for (const claim of this.#claimsOfFile.get(file.path) ?? []) {
      const id = this.#touch(claim)
      const rest = this.#claims.get(id)?.filter((other) => other !== claim) ?? []
      if (rest.length > 0) this.#claims.set(id, rest)
      else this.#claims.delete(id)
    }
    const ranked = claims.map((claim, index): RankedClaim => ({ ...claim, file, index, vanishing }))
    for (const claim of ranked) {
      const id = this.#touch(claim)
      const others = this.#claims.get(id)
      if (others) others.push(claim)
      else this.#claims.set(id, [claim])
    }
    if (ranked.length > 0) this.#claimsOfFile.set(file.path, ranked)
    else this.#claimsOfFile.delete(file.path)
  }

  /** @returns what has changed since the last time, each object once */
  settle(): ObjectChange[] {
    const changes: ObjectChange[] = []
    // Namespaces come last, because the other objects decide which ones are mentioned.
    for (const [id, object] of this.#dirty)
      if (object.kind !== 'Namespace') this.#settleObject(id, object.kind, object.key, changes)
    for (const [id, object] of this.#dirty)
      if (object.kind === 'Namespace') this.#settleObject(id, object.kind, object.key, changes)
    this.#dirty.clear()
    return changes
  }

  /** One problem for each claim that does not count. */
  listDuplicates(): FileProblem[] {
    return [...this.#contested].flatMap((id) => {
      const [first, ...others] = this.#claims.get(id) ?? []
      if (first === undefined) return []
      const place = `${first.file.path}:${first.line}:${first.column}`
      return others
        .filter((claim) => !claim.vanishing)
        .map(({ file, line, column, kind, object }): FileProblem => {
          const { namespace, name } = object.metadata
          return {
            file: file.path,
            line,
            column,
            severity: 'error',
            object: `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`,
            message: `is declared at ${place} already, and that one counts: remove one of them`,
          }
        })
    })
  }

  #touch({ kind, key }: { kind: KindName; key: NamespacedName }): ObjectId {
    const id = `${kind}/${key}` as ObjectId
    this.#dirty.set(id, { kind, key })
    return id
  }

  #settleObject(id: ObjectId, kind: KindName, key: NamespacedName, changes: ObjectChange[]): void {
    const claims = this.#claims.get(id)
    claims?.sort(compareClaims)
    if (claims !== undefined && claims.length > 1) this.#contested.add(id)
    else this.#contested.delete(id)

    const before = this.#entries.get(id)
    const written = claims?.[0]?.object
    const object = written === undefined ? this.#imply(kind, key) : complete(written, before)
    if (before !== undefined && object !== undefined && isDeepStrictEqual(before.object, object)) {
      this.#entries.set(id, { ...before, written })
      return
    }
    if (object === undefined) this.#entries.delete(id)
    else this.#entries.set(id, { kind, key, written, object })
    if (before === undefined && object === undefined) return
    if (kind !== 'Namespace') this.#count(key, Number(object !== undefined) - Number(before !== undefined))
    changes.push({ kind, key, object })
  }

  /** Keeps count of a namespace's objects; its first and its last one concern the Namespace. */
  #count(key: NamespacedName, difference: number): void {
    const namespace = key.slice(0, key.indexOf('/'))
    if (namespace === '' || difference === 0) return
    const count = (this.#population.get(namespace) ?? 0) + difference
    if (count > 0) this.#population.set(namespace, count)
    else this.#population.delete(namespace)
    this.#touch({ kind: 'Namespace', key: namespacedName('', namespace) })
  }

  /** A Namespace that nobody declared but that objects are in. */
  #imply(kind: KindName, key: NamespacedName): KubernetesObject | undefined {
    const name = key.slice(1)
    if (kind !== 'Namespace' || !this.#population.has(name)) return undefined
    const none = Object.freeze(Object.create(null))
    const metadata = { name, namespace: '', labels: withNameLabel(none, name), annotations: none, generation: 1 }
    return { apiVersion: 'v1', kind: 'Namespace', metadata }
  }
}

/** Fills in what the API server would. */
function complete(written: KubernetesObject, before: Entry | undefined): KubernetesObject {
  const { metadata } = written
  const generation = metadata.generation ?? nextGeneration(written, before)
  if (written.kind !== 'Namespace') return { ...written, metadata: { ...metadata, generation } }
  const labels = withNameLabel(metadata.labels, metadata.name)
  return { ...written, metadata: { ...metadata, labels, generation } } satisfies ObjectOf<'Namespace'>
}

/** 1 for a new object, one more for a change of anything but metadata and status. */
function nextGeneration(written: KubernetesObject, before: Entry | undefined): number {
  if (before === undefined) return 1
  const last = before.object.metadata.generation ?? 1
  return before.written === undefined || isDeepStrictEqual(contentOf(before.written), contentOf(written))
    ? last
    : last + 1
}

function contentOf({ metadata: _metadata, status: _status, ...content }: KubernetesObject): object {
  return content
}

function withNameLabel(labels: Readonly<Record<string, string>>, name: string): Readonly<Record<string, string>> {
  return Object.assign(Object.create(null), labels, { [nameLabel]: name })
}
