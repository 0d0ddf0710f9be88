import type { Source } from '../collections/collection.ts'
import { type ResourceAck, ScopeAcks } from './acks.ts'
import type { Peer } from './authenticator.ts'
import { XdsCounters } from './counters.ts'
import { Leftovers } from './leftovers.ts'
import type { Wire } from './outlet.ts'
import { PushLoop } from './push-loop.ts'
import { typeUrls } from './resource.ts'
import type { HeldResource, XdsCollections, XdsServerOptions } from './server-options.ts'
import { Session } from './session.ts'
import { type ScopeView, Snapshot } from './snapshot.ts'
import type { StreamLimits, Variant } from './stream-context.ts'
import type { StreamState } from './stream-state.ts'

const mebibyte = 1024 * 1024

/** One slice of work before others are heard. */
const turnBudget = 10

/** Numbers of a stream are published at most this often; acceptances are published at once. */
const statePause = 200

export interface Caller {
  readonly wire: Wire
  readonly variant: Variant
  readonly peer: Peer
  readonly address: string
}

export type Admission = { readonly session: Session } | { readonly refused: string; readonly isTemporary: boolean }

/** The streams of one scope. */
interface Group {
  readonly acks: ScopeAcks
  readonly sessions: Set<Session>
}

/** The server without its transport: views, streams, turns, and what is told to the outside. */
export class XdsCore {
  readonly options: XdsServerOptions
  readonly counters = new XdsCounters()
  readonly limits: StreamLimits
  readonly leftovers = new Leftovers()
  readonly snapshot: Snapshot
  readonly #acks: Source<string, ResourceAck>
  readonly #streams: Source<string, StreamState>
  readonly #loop: PushLoop<Session>
  readonly #sessions = new Map<string, Session>()
  readonly #byView = new Map<ScopeView, Group>()
  readonly #dirtyViews = new Set<ScopeView>()
  readonly #dirtyAcks = new Set<ScopeAcks>()
  readonly #dirtyStates = new Set<string>()
  readonly #clustersKnown = Promise.withResolvers<void>()
  readonly #synced = Promise.withResolvers<void>()
  #isSynced = false
  #nextId = 1
  #statesDueAt = 0
  #cancelStates: (() => void) | undefined
  #closed = false
  #cannotAuthenticate = false

  constructor(options: XdsServerOptions, acks: Source<string, ResourceAck>, streams: Source<string, StreamState>) {
    const { clock } = options
    this.options = options
    this.#acks = acks
    this.#streams = streams
    this.limits = {
      linger: options.linger ?? 30_000,
      awaitLimit: options.awaitLimit ?? 2_000,
      paceLimit: 2_000,
      tablePaceLimit: 30_000,
      drainTime: options.drainTime ?? 60_000,
      stallLimit: options.stallLimit ?? 30_000,
      maxMessageBytes: options.maxMessageBytes ?? mebibyte / 4,
      maxWaitingBytes: options.maxWaitingBytes ?? 4 * mebibyte,
    }
    this.#loop = new PushLoop(
      {
        defer: options.defer ?? ((run) => setImmediate(run)),
        now: () => performance.now(),
        budget: turnBudget,
        onTurn: () => this.#tellViewChanges(),
        onTurnEnd: () => this.#publish(),
      },
      (session) => session.flush(),
    )
    this.snapshot = new Snapshot(typedCollections(options.collections), {
      clock,
      linger: this.limits.linger,
      drainTime: this.limits.drainTime,
      onDirty: (view) => {
        this.#dirtyViews.add(view)
        this.#loop.schedule()
      },
    })
  }

  /** See `XdsServer.markClustersKnown`. */
  markClustersKnown(): void {
    this.#clustersKnown.resolve()
  }

  markSynced(): void {
    this.#isSynced = true
    this.#clustersKnown.resolve()
    this.#synced.resolve()
    for (const session of this.#sessions.values()) this.wake(session)
  }

  get isSynced(): boolean {
    return this.#isSynced
  }

  /** Resolves when the collections are complete, and when the server is closed. */
  get synced(): Promise<void> {
    return this.#synced.promise
  }

  /** Waits for the authenticator, then until there is something to say. */
  async admit(caller: Caller): Promise<Admission> {
    const { authenticator, logger } = this.options
    let identity: Awaited<ReturnType<typeof authenticator.authenticate>>
    try {
      identity = await authenticator.authenticate(caller.peer)
    } catch (error) {
      this.counters.authenticationFailures++
      const fields = { peer: caller.address, error: String(error) }
      // Every proxy comes back about every second for as long as it lasts.
      if (this.#cannotAuthenticate) logger.debug('A proxy could still not be authenticated', fields)
      else logger.warn('A proxy could not be authenticated, and is told to try again', fields)
      this.#cannotAuthenticate = true
      return { refused: 'try again', isTemporary: true }
    }
    this.#cannotAuthenticate = false
    if (!identity.allowed) {
      this.counters.streamsRefused++
      logger.warn('A proxy was refused', { peer: caller.address, reason: identity.reason })
      return { refused: 'not allowed', isTemporary: false }
    }
    await this.#clustersKnown.promise
    if (this.#closed) return { refused: 'shutting down', isTemporary: true }
    const view = this.snapshot.view(identity.scope)
    const { acks, sessions } = this.#groupOf(view)
    const id = `${this.#nextId++}`
    const { nodeId, expiresAt } = identity
    const session = new Session(this, caller, { id, view, acks, nodeId, expiresAt }, () => {
      sessions.delete(session)
      this.#sessions.delete(id)
      this.#loop.remove(session)
      this.noteState(id)
      this.#releaseIfUnused(view)
    })
    sessions.add(session)
    this.#sessions.set(id, session)
    return { session }
  }

  wake(session: Session): void {
    this.#loop.wake(session)
  }

  /** The state of a stream is to be published again. */
  noteState(streamId: string): void {
    this.#dirtyStates.add(streamId)
    if (this.#cancelStates !== undefined || this.#closed) return
    const { clock } = this.options
    this.#cancelStates = clock.after(Math.max(0, this.#statesDueAt - clock.now()), () => {
      this.#cancelStates = undefined
      this.#statesDueAt = clock.now() + statePause
      this.#publishStates()
    })
  }

  /** See `XdsServer.drain`. */
  drain(nodeId: string): number {
    let count = 0
    for (const session of this.#sessions.values()) if (session.drain(nodeId)) count++
    return count
  }

  inspect(streamId: string): HeldResource[] | undefined {
    return this.#sessions.get(streamId)?.inspect()
  }

  report(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.options.logger.error('An xDS stream failed', { error: text })
  }

  close(): void {
    this.#closed = true
    this.#clustersKnown.resolve()
    this.#synced.resolve()
    this.#cancelStates?.()
    for (const session of [...this.#sessions.values()]) session.close()
    this.snapshot.close()
  }

  #tellViewChanges(): void {
    for (const view of this.#dirtyViews) {
      this.#dirtyViews.delete(view)
      const change = view.takeChange()
      const group = this.#byView.get(view)
      if (group !== undefined) {
        group.acks.noteChanged(change.changed)
        group.acks.noteChanged(change.retired)
        for (const session of group.sessions) session.onViewChange(change)
      }
      this.#releaseIfUnused(view)
    }
  }

  /** By itself, because a function that is made beside a session holds the session for as long as it lives. */
  #groupOf(view: ScopeView): Group {
    let group = this.#byView.get(view)
    if (group === undefined) {
      const onDirty = (dirty: ScopeAcks) => {
        this.#dirtyAcks.add(dirty)
        this.#loop.schedule()
      }
      group = { acks: new ScopeAcks(view, onDirty, this.options.publishes), sessions: new Set() }
      this.#byView.set(view, group)
    }
    return group
  }

  /** A scope of which nothing is left, neither resources nor proxies. */
  #releaseIfUnused(view: ScopeView): void {
    if (!view.isEmpty || (this.#byView.get(view)?.sessions.size ?? 0) > 0) return
    this.#byView.delete(view)
    this.snapshot.release(view)
  }

  #publish(): void {
    if (this.#dirtyAcks.size === 0 || this.#closed) return
    this.options.scheduler.batch(() => {
      for (const acks of this.#dirtyAcks) acks.publish(this.#acks)
      this.#dirtyAcks.clear()
    })
  }

  #publishStates(): void {
    if (this.#dirtyStates.size === 0 || this.#closed) return
    this.options.scheduler.batch(() => {
      for (const id of this.#dirtyStates) {
        const state = this.#sessions.get(id)?.describe()
        if (state !== undefined) this.#streams.set(id, state)
        else if (this.#streams.has(id)) this.#streams.delete(id)
      }
      this.#dirtyStates.clear()
    })
  }
}

function typedCollections(collections: XdsCollections) {
  const { cluster, endpoint, secret, extension, listener, route, scopedRoute } = collections
  return [
    [typeUrls.cluster, cluster] as const,
    [typeUrls.endpoint, endpoint] as const,
    [typeUrls.secret, secret] as const,
    ...(extension ? [[typeUrls.extension, extension] as const] : []),
    [typeUrls.listener, listener] as const,
    [typeUrls.route, route] as const,
    ...(scopedRoute ? [[typeUrls.scopedRoute, scopedRoute] as const] : []),
  ]
}
