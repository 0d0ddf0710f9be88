import type { Collection, Source } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import type { BucketCount } from './bucket-expression.ts'

/** How a table reaches proxies. Absent, it is one RouteConfiguration, as nearly all are. */
export interface TableForm {
  /** Into how many scoped tables new connections see it divided; 1 is one RouteConfiguration. */
  readonly buckets: 1 | BucketCount
  /** Divisions that connections still use which have not drained yet. Sorted. */
  readonly fading: readonly BucketCount[]
}

/** Key: `resourceKey(gateway, table)`. */
export type TableForms = Collection<string, TableForm>

/** What the choice of a form depends on. */
export interface TableSize {
  readonly virtualHosts: number
  /** Those for wildcards and for every host: each bucket has a copy of them. */
  readonly wildcards: number
}

export interface TablePolicy {
  /** `auto`: large tables are divided. */
  readonly tables: 'auto' | 'always' | 'never'
  /** From this many virtual hosts on a table is divided; below half of it, it is whole again. */
  readonly divideFrom: number
}

/** An edit keeps Envoy's main thread busy for 33 ms with 3,000 virtual hosts in one table and for 1.5 ms divided, which costs each request a tenth more CPU (ADR 4). */
export const defaultTablePolicy: TablePolicy = { tables: 'auto', divideFrom: 2000 }

/** From where on a table has so many buckets, in multiples of `divideFrom`. The largest division that fits is chosen. */
const divisions: readonly { readonly buckets: BucketCount; readonly factor: number }[] = [
  { buckets: 256, factor: 5 },
  { buckets: 64, factor: 1 },
  { buckets: 16, factor: 1 },
]

/**
 * The number of buckets for a table of this size that has `current` now. Every change of it drains
 * connections, so each threshold has two sides a factor of two apart: a size that goes to and fro changes
 * nothing. Copies of wildcards may be half as many as virtual hosts at first, and as many later.
 */
export function chooseBuckets(
  current: 1 | BucketCount,
  { virtualHosts, wildcards }: TableSize,
  { tables, divideFrom }: TablePolicy,
): 1 | BucketCount {
  const fits = (buckets: BucketCount, from: number): boolean => {
    const leeway = current >= buckets ? 2 : 1
    return virtualHosts * leeway >= from && (virtualHosts * leeway) / 2 >= wildcards * buckets
  }
  if (tables === 'never') return 1
  const largest = divisions.find(({ buckets, factor }) => fits(buckets, divideFrom * factor))
  return largest?.buckets ?? (tables === 'always' ? 16 : 1)
}

export interface TableFormOptions {
  readonly policy: TablePolicy
  /**
   * Runs a task when connections from before a change of a listener are gone. Without it nothing is kept
   * for them: nobody is connected.
   */
  readonly afterDrain?: (run: () => void) => void
}

/**
 * Keeps the forms of tables: what is chosen depends on what was, which no derivation can know, so the
 * choice is a Source. It is written in a batch right behind the one that changed a size, before
 * anything is sent. There is no clock in the choice, and after a restart it only differs for tables between
 * the two sides of a threshold.
 */
export function keepTableForms(
  scheduler: Scheduler,
  sizes: Collection<string, TableSize>,
  forms: Source<string, TableForm>,
  { policy, afterDrain }: TableFormOptions,
): void {
  const write = (key: string, form: TableForm | undefined): void => {
    if (form && (form.buckets !== 1 || form.fading.length > 0)) forms.set(key, form)
    else if (forms.has(key)) forms.delete(key)
  }
  const follow = (key: string, size: TableSize): void => {
    const before = forms.get(key) ?? { buckets: 1, fading: [] }
    const buckets = chooseBuckets(before.buckets, size, policy)
    if (buckets === before.buckets) return
    const left = new Set<BucketCount>(afterDrain ? before.fading : [])
    if (afterDrain && before.buckets !== 1) left.add(before.buckets)
    if (buckets !== 1) left.delete(buckets)
    const form: TableForm = { buckets, fading: [...left].sort((a, b) => a - b) }
    write(key, form)
    if (form.fading.length === 0) return
    afterDrain?.(() => {
      // A later change has later connections to wait for.
      if (forms.get(key) === form) scheduler.batch(() => write(key, { buckets, fading: [] }))
    })
  }
  sizes.subscribe((changes) => {
    scheduler.batch(() => {
      for (const { key, after } of changes) {
        if (after) follow(key, after)
        else write(key, undefined)
      }
    })
  })
}
