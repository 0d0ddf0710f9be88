import type { Variant } from '../xds/stream-context.ts'
import type { TypeName, XdsBed } from './xds-bed.ts'
import { entriesOf, isBadText, isLoadable, textOf } from './xds-model-text.ts'
import { parseTable } from './xds-table.ts'
import { check } from './xds-violation.ts'

/** Roots first, as stock Envoy asks. */
export const askingOrder: readonly TypeName[] = ['cluster', 'endpoint', 'secret', 'listener', 'route', 'extension']
export const wildcardTypes: readonly TypeName[] = ['cluster', 'listener']

export interface Held {
  readonly text: string
  readonly version: string
}

/** A proxy of the model that has answered everything, when all lingers are over. */
export interface RestingProxy {
  readonly bed: XdsBed
  readonly variant: Variant
  held(type: TypeName): ReadonlyMap<string, Held>
  wants(type: TypeName, name: string): boolean
  /** Asked for and not answered yet. */
  unanswered(type: TypeName): ReadonlySet<string>
  /** Clusters that have endpoints. */
  readonly warm: ReadonlySet<string>
  /** Tables as they were when the stream began, by name. */
  readonly inherited: ReadonlyMap<string, string>
  /** A full set was refused: the server leaves clusters out until it knows which one is bad. */
  readonly isSearching: boolean
  readonly isDrained: boolean
}

/** It has what is wanted, and nothing else. */
export function judgeAtRest(proxy: RestingProxy): void {
  judgeWarmth(proxy)
  for (const type of askingOrder) {
    if (type === 'listener' && proxy.isDrained) {
      const held = [...proxy.held(type).keys()]
      check(held.length === 0, `a drained proxy still has ${held.join()}`)
      continue
    }
    if (isLeftAsItWas(proxy, type)) continue
    judgeWanted(proxy, type)
    judgeHeld(proxy, type)
    if (proxy.variant === 'delta') judgeAnswers(proxy, type)
  }
}

/** After a reconnection, a full set with a culprit that nobody names and nobody has accepted leaves all as it was. */
function isLeftAsItWas({ bed, variant, isSearching }: RestingProxy, type: TypeName): boolean {
  if (!isSearching || variant !== 'sotw' || !wildcardTypes.includes(type)) return false
  return isBadSomewhere(bed) || [...entriesOf(bed, type).values()].some(isBadText)
}

function judgeWanted({ bed, held, wants, inherited }: RestingProxy, type: TypeName): void {
  for (const [name, text] of entriesOf(bed, type)) {
    if (!wants(type, name)) continue
    const has = held(type).get(name)?.text
    if (!isBadText(text)) {
      check(has === text, `${type} ${name} should be "${text}" and is "${has}"`)
      continue
    }
    check(!isBadText(has), `${type} ${name} is bad and held`)
    // What it came back with is its own while a part of the table is bad.
    if (type === 'route' && has !== undefined && inherited.get(name) !== has) checkParts(name, text, has)
  }
}

function judgeHeld({ bed, variant, held }: RestingProxy, type: TypeName): void {
  // State of the world has no word for removal, except for full sets; what a parent refers to goes with it.
  if (variant === 'sotw' && !wildcardTypes.includes(type)) return
  for (const name of held(type).keys()) {
    const isThere = entriesOf(bed, type).has(name)
    check(isThere || isBadSomewhere(bed), `${type} ${name} is gone and still held`)
  }
}

function judgeAnswers({ bed, held, unanswered }: RestingProxy, type: TypeName): void {
  // What a refusal keeps alive is there already, and its bytes may be gone.
  const isKept = (name: string): boolean =>
    held(type).has(name) && (isBadSomewhere(bed) || isBadText(textOf(bed, type, name)))
  const open = [...unanswered(type)].filter((name) => !isKept(name))
  check(open.length === 0, `D2: ${type} ${open.join()} was asked for and never answered`)
}

function judgeWarmth({ bed, held, warm, isSearching }: RestingProxy): void {
  if (isSearching) return
  for (const name of held('cluster').keys()) {
    if (!isLoadable(bed, 'endpoint', name) || !isLoadable(bed, 'cluster', name)) continue
    check(warm.has(name), `C10: cluster ${name} is warming for ever`)
  }
}

/** A refused table lives on in its old form, and with it what it uses. */
function isBadSomewhere(bed: XdsBed): boolean {
  return (['listener', 'route'] as const).some((type) => [...entriesOf(bed, type).values()].some(isBadText))
}

/** Only what is bad in a table may be behind or out of order. */
function checkParts(table: string, wanted: string, held: string): void {
  const heldParts = parseTable(held)
  for (const [part, text] of Object.entries(parseTable(wanted))) {
    const isAsItShould = isBadText(text) ? !isBadText(heldParts[part]) : heldParts[part] === text
    check(isAsItShould, `part ${part} of table ${table} should be "${text}" and is "${heldParts[part]}"`)
  }
}
