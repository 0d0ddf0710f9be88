import type { Clock } from '../base/clock.ts'
import type { FakeConnection } from './fake-api-connection.ts'
import type { FakeAttributes, FakeFaults, WatchFault } from './fake-api-faults.ts'
import type { FakeEvent, FakeObject, FakeTable } from './fake-api-store.ts'

export interface FakeWatchOptions {
  readonly attributes: FakeAttributes
  readonly table: FakeTable
  readonly connection: FakeConnection
  readonly clock: Clock
  readonly faults: FakeFaults
  /** '' or '0': the present state first. */
  readonly since: string
  readonly watchList: boolean
  readonly bookmarks: boolean
  /** Milliseconds. */
  readonly bookmarkInterval: number
  /** Milliseconds. */
  readonly timeout: number
  /** The newest version of the store. */
  readonly version: () => number
  readonly isSelected: (object: FakeObject) => boolean
  /** How the client wants to see an object. */
  readonly present: (object: FakeObject) => FakeObject
  readonly onClose: (watch: FakeWatch) => void
}

/** Two events that are told in the wrong order are told together, so that the first does not wait for ever. */
const reorderWait = 50

/** One open watch. */
export class FakeWatch {
  readonly attributes: FakeAttributes
  readonly #options: FakeWatchOptions
  readonly #timers = new Set<() => void>()
  #state: 'open' | 'silent' | 'closed' = 'open'
  #cutNext = false
  #held: FakeEvent | undefined
  /** Events that are told late have to be told before a bookmark. */
  #late: { event: FakeEvent; cancel: () => void }[] = []

  constructor(options: FakeWatchOptions) {
    this.attributes = options.attributes
    this.#options = options
  }

  /** Tells what there is, and then what happens. */
  start(): void {
    const { table, connection, since, watchList, timeout, clock, bookmarkInterval, isSelected } = this.#options
    connection.start(200, { 'content-type': 'application/json' })
    connection.onClose(() => this.#close())
    const from = Number(since)
    if (from > 0 && from < table.oldest) this.break('expire')
    else if (from > 0) for (const event of table.events.filter(({ version }) => version > from)) this.#tell(event)
    else for (const object of table.objects.values()) if (isSelected(object)) this.#line('ADDED', object)
    if (watchList) this.#bookmark({ 'k8s.io/initial-events-end': 'true' })
    if (this.#state === 'closed') return
    table.listeners.add(this.#listen)
    this.#timers.add(clock.after(timeout, () => this.#finish()))
    this.#plan(bookmarkInterval)
  }

  /** Makes something happen to this watch. */
  break(fault: WatchFault): void {
    if (this.#state === 'closed') return
    const { connection } = this.#options
    if (fault === 'silence') this.#state = 'silent'
    if (this.#state === 'silent') return
    if (fault === 'cut') {
      this.#cutNext = true
      return
    }
    if (fault === 'expire') this.#error(410, 'Expired', 'too old resource version')
    if (fault === 'error') this.#error(500, 'InternalError', 'etcd event received with an error')
    if (fault === 'reset') connection.reset()
    else connection.end()
    this.#close()
  }

  readonly #listen = (event: FakeEvent): void => {
    const { lag } = this.#options.faults
    if (lag <= 0 && this.#late.length === 0) {
      this.#tell(event)
      return
    }
    const late = {
      event,
      cancel: this.#options.clock.after(Math.max(lag, 1), () => {
        // What came before is told before, also when the lag has become shorter.
        const due = this.#late.splice(0, this.#late.indexOf(late) + 1)
        for (const { event: earlier, cancel } of due) {
          cancel()
          this.#tell(earlier)
        }
      }),
    }
    this.#late.push(late)
  }

  #tell(event: FakeEvent): void {
    const { faults, clock } = this.#options
    const held = this.#held
    if (held === undefined && faults.reorder) {
      this.#held = event
      this.#timers.add(clock.after(reorderWait, () => this.#release()))
      return
    }
    this.#held = undefined
    this.#event(event)
    if (held) this.#event(held)
  }

  #release(): void {
    const held = this.#held
    this.#held = undefined
    if (held) this.#event(held)
  }

  #event({ type, object, previous }: FakeEvent): void {
    const { isSelected, faults } = this.#options
    const was = previous !== undefined && isSelected(previous)
    const is = type !== 'DELETED' && isSelected(object)
    if (!was && !is) return
    const seen = !is ? 'DELETED' : was ? 'MODIFIED' : 'ADDED'
    this.#line(seen, object)
    if (faults.duplicate) this.#line(seen, object)
  }

  #line(type: string, object: FakeObject): void {
    const text = `${JSON.stringify({ type, object: this.#options.present(object) })}\n`
    if (this.#state !== 'open') return
    const { connection } = this.#options
    connection.write(this.#cutNext ? text.slice(0, text.length / 2) : text)
    if (!this.#cutNext) return
    connection.end()
    this.#close()
  }

  #bookmark(annotations?: Readonly<Record<string, string>>): void {
    // A bookmark promises that everything before it has been told.
    if (this.#late.length > 0 || this.#held !== undefined) return
    const { version, table } = this.#options
    const { kind, group, versions } = table.resource
    this.#line('BOOKMARK', {
      apiVersion: group === '' ? String(versions[0]) : `${group}/${versions[0]}`,
      kind,
      metadata: { resourceVersion: String(version()), ...(annotations && { annotations }) },
    })
  }

  #error(code: number, reason: string, message: string): void {
    this.#options.connection.write(
      `${JSON.stringify({
        type: 'ERROR',
        object: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code },
      })}\n`,
    )
  }

  #plan(interval: number): void {
    if (!this.#options.bookmarks || this.#state === 'closed') return
    this.#timers.add(
      this.#options.clock.after(interval, () => {
        this.#bookmark()
        this.#plan(interval)
      }),
    )
  }

  /** The time of the watch is over. */
  #finish(): void {
    if (this.#state !== 'open') return
    if (this.#options.bookmarks) this.#bookmark()
    this.break('end')
  }

  #close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#options.table.listeners.delete(this.#listen)
    for (const cancel of this.#timers) cancel()
    for (const { cancel } of this.#late) cancel()
    this.#options.onClose(this)
  }
}
