import { isDeepStrictEqual } from 'node:util'

/** RFC 7386: null deletes, objects are merged, everything else replaces. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isMap(patch)) return patch
  const result: Record<string, unknown> = isMap(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = applyMergePatch(result[key], value)
  }
  return result
}

/** Who set which field last, by path. */
export type Owners = Map<string, Set<string>>

/** A field that somebody else owns with another value. */
export interface OwnershipConflict {
  readonly path: string
  readonly manager: string
}

/** What identifies an item of a list; lists that have none of these fields are set as a whole. */
const listKeys: Readonly<Record<string, readonly string[]>> = {
  ports: ['port', 'containerPort', 'protocol'],
  containers: ['name'],
  initContainers: ['name'],
  env: ['name'],
  volumes: ['name'],
  volumeMounts: ['mountPath'],
  conditions: ['type'],
  listeners: ['name'],
  ownerReferences: ['uid'],
  imagePullSecrets: ['name'],
  topologySpreadConstraints: ['topologyKey', 'whenUnsatisfiable'],
}

type Leaves = Map<string, { readonly steps: readonly string[]; readonly value: unknown }>

/**
 * Server-side apply, simplified: fields of the manager that it no longer applies go, unless others own
 * them too; fields that others own with another value are conflicts, or change hands by force.
 */
export function applyByManager(
  target: unknown,
  applied: unknown,
  owners: Owners,
  manager: string,
  force: boolean,
): { readonly object: unknown; readonly conflicts: readonly OwnershipConflict[] } {
  const wanted = listLeaves(applied)
  const present = listLeaves(target)
  const conflicts: OwnershipConflict[] = []
  for (const [path, { value }] of wanted) {
    if (!present.has(path) || isDeepStrictEqual(present.get(path)?.value, value)) continue
    for (const [other, paths] of owners)
      if (other !== manager && paths.has(path)) conflicts.push({ path, manager: other })
  }
  if (conflicts.length > 0 && !force) return { object: target, conflicts }
  for (const { path, manager: other } of conflicts) owners.get(other)?.delete(path)
  const result = new Map(present)
  for (const path of owners.get(manager) ?? []) {
    const shared = [...owners].some(([other, paths]) => other !== manager && paths.has(path))
    if (!wanted.has(path) && !shared) result.delete(path)
  }
  for (const [path, leaf] of wanted) result.set(path, leaf)
  owners.set(manager, new Set(wanted.keys()))
  return { object: assemble(result), conflicts: [] }
}

/** Notes that a manager set, by an ordinary write, what differs between two states. */
export function recordOwner(owners: Owners, manager: string, before: unknown, after: unknown): void {
  const [old, now] = [listLeaves(before), listLeaves(after)]
  for (const [path, { value }] of now) {
    if (old.has(path) && isDeepStrictEqual(old.get(path)?.value, value)) continue
    for (const paths of owners.values()) paths.delete(path)
    const paths = owners.get(manager) ?? new Set()
    owners.set(manager, paths.add(path))
  }
  for (const path of old.keys()) if (!now.has(path)) for (const paths of owners.values()) paths.delete(path)
}

/** A path as field managers write it: `.spec.ports[port=80,protocol="TCP"].name`. */
export function formatOwnedPath(path: string): string {
  const steps = JSON.parse(path) as string[]
  return steps
    .map((step, index) => {
      const keys = listKeys[steps[index - 1] ?? '']
      if (!step.startsWith('[') || keys === undefined) return `.${step}`
      const values = step.slice(1, -1).split(',')
      const pairs = keys.flatMap((key, at) => (values[at] === '' ? [] : [[key, values[at] as string] as const]))
      const text = pairs.map(([key, value]) => `${key}=${/[pP]ort$/.test(key) ? value : JSON.stringify(value)}`)
      return `[${text.sort().join(',')}]`
    })
    .join('')
}

function listLeaves(value: unknown): Leaves {
  const leaves: Leaves = new Map()
  const visit = (at: unknown, steps: readonly string[]): void => {
    const entries = entriesOf(at, steps.at(-1))
    if (entries === undefined) leaves.set(JSON.stringify(steps), { steps, value: at })
    else for (const [step, child] of entries) visit(child, [...steps, step])
  }
  visit(value, [])
  return leaves
}

/** The fields of a map, or the items of a list by their keys; undefined for what is set as a whole. */
function entriesOf(value: unknown, field: string | undefined): [string, unknown][] | undefined {
  if (isMap(value) && Object.keys(value).length > 0) return Object.entries(value)
  const keys = listKeys[field ?? '']
  if (!Array.isArray(value) || value.length === 0 || keys === undefined || !value.every(isMap)) return undefined
  const identities = value.map(
    (item) => `[${keys.map((key) => String(item[key] ?? (key === 'protocol' ? 'TCP' : ''))).join(',')}]`,
  )
  if (new Set(identities).size < value.length) return undefined
  return value.map((item, index) => [identities[index] as string, item])
}

function assemble(leaves: Leaves): unknown {
  const root: Node = new Map()
  for (const { steps, value } of leaves.values()) {
    let at = root
    for (const [index, step] of steps.entries()) {
      if (index === steps.length - 1) {
        at.set(step, { value })
        break
      }
      const next = at.get(step)
      if (next instanceof Map) at = next
      else {
        const created: Node = new Map()
        at.set(step, created)
        at = created
      }
    }
  }
  return build(root)
}

type Node = Map<string, Node | { readonly value: unknown }>

function build(node: Node): unknown {
  const items = [...node].map(([step, child]) => [step, child instanceof Map ? build(child) : child.value] as const)
  if (items.length > 0 && items.every(([step]) => step.startsWith('['))) return items.map(([, item]) => item)
  return Object.fromEntries(items)
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
