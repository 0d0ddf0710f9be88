import type { Clock } from '../../base/clock.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import type { ServerEdits } from './status-difference.ts'

/**
 * Why an object waits. patience: what is to be told may soon be otherwise. pace: it was written a moment ago.
 * quiet: only counts have changed, and they may go on changing.
 * newer: for the status that made our write a conflict. retry: the write failed. denied: we lack the right. refused: the API server does not take this status.
 */
export type WaitReason = 'patience' | 'pace' | 'quiet' | 'newer' | 'retry' | 'denied' | 'refused'

/** One object whose status may have to be written. */
export interface WriteEntry {
  readonly kind: string
  readonly key: NamespacedName
  phase: 'idle' | 'ready' | 'waiting' | 'writing'
  waitsFor: WaitReason | undefined
  /** Since when something is to be done, by the clock; undefined when idle. */
  since: number | undefined
  /** When something changed last, by the clock. */
  lastTouch: number
  /** Something changed while it was being written. */
  isTouched: boolean
  /** One after another. */
  failures: number
  /** Of paced kinds: when it was written last, and how long the pause after that is. */
  lastWrite: number
  pause: number
  /** The resourceVersion that our write was a conflict with; nothing is written on top of it again. */
  conflict: string | undefined
  /** The desired status that the API server refused. */
  refused: object | undefined
  /** What the API server made of a desired status. */
  edits: { readonly desired: object | undefined; readonly made: ServerEdits } | undefined
  cancelTimer: (() => void) | undefined
}

/**
 * Objects whose status may have to be written: each at most once, in order of arrival, the kinds that were
 * named first before the others. An entry lives only as long as something about its object has to be remembered.
 */
export class WriteQueue {
  readonly #clock: Clock
  readonly #onReady: () => void
  /** By kind. */
  readonly #entries = new Map<string, Map<NamespacedName, WriteEntry>>()
  readonly #ready: ReadonlyMap<string, Set<WriteEntry>>

  /** @param onReady something can be taken; called often */
  constructor(clock: Clock, kinds: readonly string[], onReady: () => void) {
    this.#clock = clock
    this.#onReady = onReady
    this.#ready = new Map(kinds.map((kind) => [kind, new Set<WriteEntry>()]))
  }

  /** How many objects wait, for whatever reason, or are being written. */
  get length(): number {
    let length = 0
    for (const ofKind of this.#entries.values()) for (const { phase } of ofKind.values()) if (phase !== 'idle') length++
    return length
  }

  /** Milliseconds that the object which waits longest has waited. */
  get oldestAge(): number {
    const now = this.#clock.now()
    let age = 0
    for (const ofKind of this.#entries.values())
      for (const { since } of ofKind.values()) if (since !== undefined) age = Math.max(age, now - since)
    return age
  }

  find(kind: string, key: NamespacedName): WriteEntry | undefined {
    return this.#entries.get(kind)?.get(key)
  }

  obtain(kind: string, key: NamespacedName): WriteEntry {
    let ofKind = this.#entries.get(kind)
    if (ofKind === undefined) {
      ofKind = new Map()
      this.#entries.set(kind, ofKind)
    }
    let entry = ofKind.get(key)
    if (entry === undefined) {
      entry = {
        kind,
        key,
        phase: 'idle',
        waitsFor: undefined,
        since: undefined,
        lastTouch: Number.NEGATIVE_INFINITY,
        isTouched: false,
        failures: 0,
        lastWrite: Number.NEGATIVE_INFINITY,
        pause: 0,
        conflict: undefined,
        refused: undefined,
        edits: undefined,
        cancelTimer: undefined,
      }
      ofKind.set(key, entry)
    }
    return entry
  }

  /** It is to be looked at as soon as possible. */
  makeReady(entry: WriteEntry): void {
    if (entry.phase === 'ready') return
    this.#leave(entry)
    entry.phase = 'ready'
    entry.since ??= this.#clock.now()
    this.#ready.get(entry.kind)?.add(entry)
    this.#onReady()
  }

  /** It is to be looked at after a time. */
  wait(entry: WriteEntry, milliseconds: number, reason: WaitReason): void {
    this.#leave(entry)
    entry.phase = 'waiting'
    entry.waitsFor = reason
    entry.since ??= this.#clock.now()
    entry.cancelTimer = this.#clock.after(milliseconds, () => {
      entry.cancelTimer = undefined
      this.makeReady(entry)
    })
  }

  /** The next one, which is then being written until it is made idle, made ready, or waits. */
  take(): WriteEntry | undefined {
    for (const ofKind of this.#ready.values()) {
      for (const entry of ofKind) {
        this.#leave(entry)
        entry.phase = 'writing'
        entry.isTouched = false
        return entry
      }
    }
    return undefined
  }

  /** Nothing is to be done for it now. */
  makeIdle(entry: WriteEntry): void {
    this.#leave(entry)
    entry.phase = 'idle'
    entry.since = undefined
    if (entry.edits === undefined && entry.refused === undefined && entry.pause === 0) this.forget(entry)
  }

  /** The object is gone. */
  forget(entry: WriteEntry): void {
    this.#leave(entry)
    entry.phase = 'idle'
    entry.since = undefined
    this.#entries.get(entry.kind)?.delete(entry.key)
  }

  clear(): void {
    for (const ofKind of [...this.#entries.values()]) for (const entry of [...ofKind.values()]) this.forget(entry)
  }

  #leave(entry: WriteEntry): void {
    entry.cancelTimer?.()
    entry.cancelTimer = undefined
    entry.waitsFor = undefined
    this.#ready.get(entry.kind)?.delete(entry)
  }
}
