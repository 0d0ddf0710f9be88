import { compareStrings } from '../base/compare.ts'
import { forEachOfFew } from './few.ts'
import type { CollectionKind, Node, Reference, Retained } from './node.ts'
import type { CellOwner } from './watch.ts'

/** Counters of one collection or index since it was created. */
export interface CollectionStatistics {
  readonly name: string
  readonly kind: CollectionKind
  /** Entries; of an index, its keys. */
  readonly size: number
  /** Calls of its function. */
  readonly computations: number
  /** Throws of its function, its equality and its listeners, and keys that two inputs claimed. */
  readonly failures: number
}

/** One collection or index in a dump. */
export interface CollectionDump extends CollectionStatistics {
  readonly inputs: readonly string[]
  /** Reads that are tracked now. */
  readonly reads: number
  /** Input keys whose last computation threw, and what it said: they show their last good value. */
  readonly failing: Readonly<Record<string, string>>
}

/** Why one entry is what it is, and who would notice if it were not. */
export interface Explanation {
  readonly collection: string
  readonly kind: CollectionKind
  readonly key: string
  /** Undefined when there is no such entry. */
  readonly value: unknown
  /** Set when the last computation threw: the value is an earlier one. */
  readonly failure: string | undefined
  readonly inputs: readonly Reference[]
  /** What its computation read beside its input, present or not. */
  readonly reads: readonly Reference[]
  readonly dependents: readonly Reference[]
}

export function describeStatistics(node: Node): CollectionStatistics {
  const { name, kind, size, computations, failures } = node
  return { name, kind, size, computations, failures }
}

export function describeNode(node: Node): CollectionDump {
  return {
    ...describeStatistics(node),
    inputs: node.inputs.map((input) => input.name),
    reads: node.readCount,
    failing: Object.fromEntries(node.failing),
  }
}

/** Walks the dependents of one key, nothing else. */
export function explainKey(node: Node, key: string): Explanation {
  const dependents: Reference[] = []
  const addOutputs = (dependent: CellOwner, inputKey: string) => {
    for (const output of dependent.outputsOf(inputKey)) dependents.push({ collection: dependent.name, key: output })
  }
  for (const dependent of node.dependents) addOutputs(dependent, key)
  for (const table of [node.values, node.presence]) {
    forEachOfFew(table.find(key)?.readers, (cell) => addOutputs(cell.owner, cell.key))
  }
  return {
    collection: node.name,
    kind: node.kind,
    key,
    value: node.valueOf(key),
    failure: node.failureOf(key),
    inputs: sortReferences(node.inputsOf(key)),
    reads: sortReferences(node.readsOf(key).map((watch) => ({ collection: watch.table.name, key: watch.key }))),
    dependents: sortReferences(dependents),
  }
}

/** Everything the nodes hold; walks all of it. */
export function countRetained(nodes: Iterable<Node>): Retained {
  const retained: Retained = {
    entries: 0,
    cells: 0,
    reads: 0,
    readers: 0,
    watches: 0,
    buckets: 0,
    members: 0,
    pending: 0,
    failing: 0,
  }
  for (const node of nodes) node.tally(retained)
  return retained
}

/** In order, each once: a key may be both read and counted. */
function sortReferences(references: Iterable<Reference>): Reference[] {
  const sorted = [...references].sort(
    (a, b) => compareStrings(a.collection, b.collection) || compareStrings(a.key, b.key),
  )
  return sorted.filter((reference, i) => {
    const previous = sorted[i - 1]
    return reference.collection !== previous?.collection || reference.key !== previous.key
  })
}
