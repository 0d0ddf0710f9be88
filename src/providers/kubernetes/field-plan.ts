import { isObject } from './json.ts'

/**
 * What becomes of a value of JSON.
 * keep: it is read as it is. drop: nobody reads it. apart: its text is read, not what the text says.
 */
export type Plan = 'keep' | 'drop' | 'apart' | FieldPlan | ItemPlan

export interface NamedPlan {
  readonly name: string
  /** The name as bytes. */
  readonly bytes: Uint8Array
  readonly plan: Plan
}

/** What becomes of the fields of an object. */
export class FieldPlan {
  readonly named: readonly NamedPlan[]
  /** The same by the length of the name. */
  readonly byLength: readonly (readonly NamedPlan[])[]
  /** Fields whose names begin so are kept; none if it is empty. */
  readonly prefix: Uint8Array
  /** Of fields that are not named. */
  readonly others: 'keep' | 'drop'
  readonly #byName: ReadonlyMap<string, Plan>
  readonly #prefix: string

  constructor(plans: Readonly<Record<string, Plan>>, others: 'keep' | 'drop', prefix = '') {
    this.named = Object.entries(plans).map(([name, plan]) => ({ name, bytes: Buffer.from(name), plan }))
    const lengths = this.named.map(({ bytes }) => bytes.length)
    this.byLength = Array.from({ length: Math.max(0, ...lengths) + 1 }, (_, length) =>
      this.named.filter(({ bytes }) => bytes.length === length),
    )
    this.others = others
    this.prefix = Buffer.from(prefix)
    this.#prefix = prefix
    this.#byName = new Map(Object.entries(plans))
  }

  /** Of one field. */
  of(name: string): Plan {
    const plan = this.#byName.get(name)
    if (plan !== undefined) return plan
    return this.#prefix !== '' && name.startsWith(this.#prefix) ? 'keep' : this.others
  }
}

/** What becomes of the items of a list. */
export class ItemPlan {
  readonly item: Plan

  constructor(item: Plan) {
    this.item = item
  }
}

/** Only the fields of these names are read. */
export function keepOnly(names: readonly string[]): FieldPlan {
  return new FieldPlan(Object.fromEntries(names.map((name) => [name, 'keep' as const])), 'drop')
}

/**
 * A value without what nobody reads; the value itself if all of it is read. What is not of the right form is kept as
 * it is. The input is not changed.
 */
export function projectValue(value: unknown, plan: Plan): unknown {
  if (plan instanceof FieldPlan) return isObject(value) ? projectFields(value, plan) : value
  if (plan instanceof ItemPlan) return Array.isArray(value) ? projectItems(value, plan.item) : value
  return value
}

function projectFields(object: Readonly<Record<string, unknown>>, plan: FieldPlan): unknown {
  let result: Record<string, unknown> | undefined
  for (const name in object) {
    const field = plan.of(name)
    const before = object[name]
    const after = field === 'drop' ? undefined : projectValue(before, field)
    if (result === undefined) {
      if (field !== 'drop' && after === before) continue
      result = copyUntil(object, name)
    }
    if (field !== 'drop') setField(result, name, after)
  }
  return result ?? object
}

/** The fields that come before one of them. */
function copyUntil(object: Readonly<Record<string, unknown>>, end: string): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const name in object) {
    if (name === end) break
    setField(result, name, object[name])
  }
  return result
}

function setField(object: Record<string, unknown>, name: string, value: unknown): void {
  // It would set the prototype; there is no such field in any kind.
  if (name !== '__proto__') object[name] = value
}

function projectItems(items: readonly unknown[], plan: Plan): readonly unknown[] {
  let result: unknown[] | undefined
  for (let index = 0; index < items.length; index++) {
    const before = items[index]
    const after = projectValue(before, plan)
    if (after === before) continue
    result ??= items.slice()
    result[index] = after
  }
  return result ?? items
}
