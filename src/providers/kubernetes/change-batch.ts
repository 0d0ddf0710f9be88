import type { Logger } from '../../base/logger.ts'
import type { KindName } from '../../gatewayapi/kinds.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import type { ObjectChange, ObjectSink } from '../object-sink.ts'
import type { StatusChange, StatusSink } from './status-sink.ts'

/** The last change of each object, by kind: one key for all would be a text of its own for each object. */
type Changes<C> = Map<KindName, Map<NamespacedName, C>>

/**
 * Collects what comes in one turn of the event loop, from all connections, and hands it on as one batch.
 * Until {@link release} everything is held, so that the first batches are complete: half a cluster derives nonsense.
 */
export class ChangeBatch {
  readonly #sink: ObjectSink
  readonly #statuses: StatusSink | undefined
  readonly #logger: Logger
  #objects: Changes<ObjectChange> = new Map()
  #live: Changes<StatusChange> = new Map()
  #scheduled: NodeJS.Immediate | undefined
  #isHeld = true
  #isClosed = false
  /** Batches that the sinks took. */
  batches = 0

  constructor(sink: ObjectSink, statuses: StatusSink | undefined, logger: Logger) {
    this.#sink = sink
    this.#statuses = statuses
    this.#logger = logger
  }

  /** The last word on an object counts. */
  add(change: ObjectChange): void {
    note(this.#objects, change)
    this.#schedule()
  }

  addStatus(change: StatusChange): void {
    if (this.#statuses === undefined) return
    note(this.#live, change)
    this.#schedule()
  }

  /** Hands on all that was held, at once, and goes on holding. Resolves when the sink has it. */
  async handOn(): Promise<void> {
    const objects = this.#take()
    if (objects.length > 0) await this.#load(objects)
  }

  /** The same, and from then on hands on what comes in each turn. */
  async release(): Promise<void> {
    await this.handOn()
    if (this.#isClosed) return
    this.#isHeld = false
    this.#flush()
  }

  /** Forgets what has not been handed on. */
  close(): void {
    this.#isClosed = true
    clearImmediate(this.#scheduled)
    this.#objects.clear()
    this.#live.clear()
    this.#isHeld = true
  }

  #schedule(): void {
    if (this.#isHeld || this.#scheduled) return
    // Runs after the sockets that have something now have been read.
    this.#scheduled = setImmediate(() => this.#flush())
  }

  #flush(): void {
    clearImmediate(this.#scheduled)
    this.#scheduled = undefined
    const objects = this.#take()
    if (objects.length > 0) this.#apply(objects)
  }

  /** Hands on the statuses. @returns the objects */
  #take(): ObjectChange[] {
    const [objects, live] = [listChanges(this.#objects), listChanges(this.#live)]
    this.#objects = new Map()
    this.#live = new Map()
    if (objects.length + live.length > 0) this.batches++
    if (live.length > 0) this.#guard(() => this.#statuses?.applyStatus(live))
    return objects
  }

  async #load(changes: readonly ObjectChange[]): Promise<void> {
    if (!this.#sink.load) return this.#apply(changes)
    try {
      await this.#sink.load(changes)
    } catch (error) {
      this.#applyEach(changes, error)
    }
  }

  /** A batch that throws has changed nothing: then each object is tried by itself, so that one harms no other. */
  #apply(changes: readonly ObjectChange[]): void {
    try {
      this.#sink.apply(changes)
    } catch (error) {
      this.#applyEach(changes, error)
    }
  }

  #applyEach(changes: readonly ObjectChange[], error: unknown): void {
    this.#logger.error('A batch of objects was refused; each is tried by itself.', { error })
    for (const change of changes) this.#guard(() => this.#sink.apply([change]), change)
  }

  #guard(run: () => void, { kind, key }: Partial<ObjectChange> = {}): void {
    try {
      run()
    } catch (error) {
      this.#logger.error('A change was refused.', { kind, key, error })
    }
  }
}

function note<C extends { readonly kind: KindName; readonly key: NamespacedName }>(to: Changes<C>, change: C): void {
  const ofKind = to.get(change.kind)
  if (ofKind) ofKind.set(change.key, change)
  else to.set(change.kind, new Map([[change.key, change]]))
}

function listChanges<C>(changes: Changes<C>): C[] {
  const list: C[] = []
  for (const ofKind of changes.values()) for (const change of ofKind.values()) list.push(change)
  return list
}
