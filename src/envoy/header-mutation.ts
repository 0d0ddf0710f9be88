import { none } from '../base/compact-list.ts'
import { checkHeaderChange, type HeaderChangeKind } from '../gatewayapi/http-header.ts'
import type { HTTPHeaderFilter } from '../gatewayapi/objects/http-filter.ts'
import { envoy } from '../gen/envoy.js'

type HeaderValueOption = envoy.config.core.v3.HeaderValueOption
type AppendAction = envoy.config.core.v3.HeaderValueOption.HeaderAppendAction
const { APPEND_IF_EXISTS_OR_ADD, OVERWRITE_IF_EXISTS_OR_ADD } =
  envoy.config.core.v3.HeaderValueOption.HeaderAppendAction

/** What several modifiers do to one header when they are applied one after the other. */
interface HeaderChange {
  removed: boolean
  value: string | undefined
  readonly added: string[]
}

/** The mutations of one direction in Envoy's form. */
export interface HeaderMutations {
  readonly add: readonly HeaderValueOption[]
  readonly remove: readonly string[]
}

export const noMutations: HeaderMutations = { add: [], remove: [] }

/**
 * Folds modifiers, the first to be applied first, into one list for Envoy. Envoy removes, then
 * overwrites, then appends, whatever the order in the list; so each header is reduced to those three.
 *
 * What Envoy would refuse is left out, because it refuses a whole table: `Host` (a new host is
 * `host_rewrite_literal`), and names that no header has. So are new values for headers of the connection.
 */
export function foldHeaderFilters(filters: readonly HTTPHeaderFilter[]): HeaderMutations {
  if (filters.length === 0) return noMutations
  const changes = new Map<string, HeaderChange>()
  for (const { remove = none, set = none, add = none } of filters) {
    for (const name of remove) {
      if (isWritable('remove', name)) changes.set(name.toLowerCase(), { removed: true, value: undefined, added: [] })
    }
    const named = new Set<string>()
    for (const { name, value } of set) {
      const key = name.toLowerCase()
      // Of entries that differ only in case the first one counts.
      if (!isWritable('set', name, value) || named.has(key)) continue
      named.add(key)
      changes.set(key, { removed: false, value, added: [] })
    }
    for (const { name, value } of add) {
      if (!isWritable('add', name, value)) continue
      const key = name.toLowerCase()
      const change = changes.get(key) ?? { removed: false, value: undefined, added: [] }
      change.added.push(value)
      changes.set(key, change)
    }
  }
  const mutations: { add: HeaderValueOption[]; remove: string[] } = { add: [], remove: [] }
  for (const [name, { removed, value, added }] of changes) {
    if (removed) mutations.remove.push(name)
    if (value !== undefined) mutations.add.push(buildHeader(name, value))
    for (const one of added) mutations.add.push(buildHeader(name, one, APPEND_IF_EXISTS_OR_ADD))
  }
  return mutations
}

/** A header with exactly this value, in place of others unless told. @param key in lower case */
export function buildHeader(
  key: string,
  value: string,
  appendAction: AppendAction = OVERWRITE_IF_EXISTS_OR_ADD,
): HeaderValueOption {
  // Envoy's values are formats: "%" begins a command, which could print what the tenant must not see.
  return { header: { key, value: value.toWellFormed().replaceAll('%', '%%') }, appendAction }
}

/** Whether a change may go into Envoy's lists; a host that is set goes elsewhere, see {@link hostOf}. */
function isWritable(kind: HeaderChangeKind, name: string, value = ''): boolean {
  return name.toLowerCase() !== 'host' && checkHeaderChange(kind, name, 'request', value) === undefined
}

const authority = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/

/** The host that a request modifier asks for: Envoy rewrites hosts elsewhere than headers. */
export function hostOf({ set = [] }: HTTPHeaderFilter): string | undefined {
  const value = set.find(({ name }) => name.toLowerCase() === 'host')?.value
  return value !== undefined && authority.test(value) ? value : undefined
}
