import { status } from '@grpc/grpc-js'
import type { ScopeAcks } from './acks.ts'
import type { Caller, XdsCore } from './core.ts'
import { Outlet } from './outlet.ts'
import { decodeDeltaRequest, decodeSotwRequest, type ProxyNode } from './request.ts'
import { typeUrls } from './resource.ts'
import { Retirement } from './retirement.ts'
import type { HeldResource } from './server-options.ts'
import type { ScopeView, ViewChange } from './snapshot.ts'
import { AdsStream } from './stream.ts'
import { StreamContext } from './stream-context.ts'
import { describeStream, type StreamIdentity, type StreamState } from './stream-state.ts'

/** A proxy that asks for anything asks for clusters first. */
const clusterSubscriptionLimit = 30_000

/** A proxy gets its next credential before the old one expires, but uses it only for its next connection. */
const expiryGrace = 60_000

/** A timer for longer than this would fire at once. */
const longestTimer = 2 ** 31 - 1

interface Place {
  readonly id: string
  readonly view: ScopeView
  readonly acks: ScopeAcks
  /** If the credential fixes it. */
  readonly nodeId: string | undefined
  /** Of the credential, on the server's clock; if it does. */
  readonly expiresAt: number | undefined
}

interface Open {
  readonly identity: StreamIdentity
  readonly context: StreamContext
  readonly stream: AdsStream
}

/**
 * An admitted call from its first message to its end. The node of the first message is the node,
 * whatever later ones say.
 */
export class Session {
  readonly #core: XdsCore
  readonly #caller: Caller
  readonly #place: Place
  readonly #onClose: () => void
  #open: Open | undefined
  #cancelAlarm: (() => void) | undefined
  #cancelExpiry: (() => void) | undefined
  #closed = false

  constructor(core: XdsCore, caller: Caller, place: Place, onClose: () => void) {
    this.#core = core
    this.#caller = caller
    this.#place = place
    this.#onClose = onClose
    core.counters.streams++
    core.counters.streamsOpened++
    if (place.expiresAt === undefined) return
    const { clock } = core.options
    const left = Math.min(Math.max(0, place.expiresAt + expiryGrace - clock.now()), longestTimer)
    this.#cancelExpiry = clock.after(left, () => this.#end(status.UNAUTHENTICATED, 'the credential has expired'))
  }

  /** @returns what to wait for before the next message, if it is to wait */
  receive(bytes: Uint8Array): Promise<void> | undefined {
    const { isSynced, synced } = this.#core
    if (!isSynced && this.#mayHaveAnything(bytes)) return synced.then(() => this.#take(bytes))
    this.#take(bytes)
    return undefined
  }

  /**
   * What is right for a proxy that has a configuration can only be told when everything is known. In delta it says what it
   * has, for each type.
   */
  #mayHaveAnything(bytes: Uint8Array): boolean {
    if (this.#caller.variant === 'sotw') return true
    const decoded = decodeOrUndefined(() => decodeDeltaRequest(bytes))
    return decoded === undefined || Object.keys(decoded.request.initialVersions).length > 0
  }

  #take(bytes: Uint8Array): void {
    this.#guard(() => {
      const refusal = this.#caller.variant === 'delta' ? this.#receiveDelta(bytes) : this.#receiveSotw(bytes)
      if (refusal !== undefined) this.#end(status.INVALID_ARGUMENT, refusal)
    })
  }

  flush(): void {
    this.#guard(() => this.#open?.stream.flush())
  }

  onViewChange(change: ViewChange): void {
    this.#guard(() => this.#open?.stream.onViewChange(change))
  }

  /** @returns whether this is a stream of that node, which now loses its listeners */
  drain(nodeId: string): boolean {
    if (this.#open?.identity.nodeId !== nodeId) return false
    this.#guard(() => this.#open?.stream.drain())
    return true
  }

  /** A bug of ours must not take the other streams along; the proxy reconnects and says what it has. */
  #guard(run: () => void): void {
    if (this.#closed) return
    try {
      run()
    } catch (error) {
      this.#core.report(error)
      this.#end(status.INTERNAL, 'internal error')
    }
  }

  describe(): StreamState | undefined {
    return this.#open && describeStream(this.#open.identity, this.#open.context)
  }

  inspect(): HeldResource[] {
    const held: HeldResource[] = []
    for (const subscription of this.#open?.context.subscriptions.values() ?? []) {
      const names = new Set(subscription.acked.keys())
      for (const name of subscription.refused.keys()) names.add(name)
      for (const flight of subscription.flights.values()) for (const { name } of flight.resources) names.add(name)
      for (const name of names) {
        const sent = subscription.held(name)
        const accepted = subscription.acked.get(name)
        const refused = subscription.refused.get(name)
        held.push({
          typeUrl: subscription.typeUrl,
          name,
          ...(sent !== undefined && { sent }),
          ...(accepted !== undefined && { accepted }),
          ...(refused !== undefined && { refused }),
        })
      }
    }
    return held
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#cancelAlarm?.()
    this.#cancelExpiry?.()
    this.#core.counters.streams--
    if (this.#open !== undefined) {
      const { identity, stream } = this.#open
      this.#core.leftovers.keep(this.#place.view.scope, identity.nodeId, stream.close())
      this.#open = undefined
    }
    this.#onClose()
  }

  #receiveDelta(bytes: Uint8Array): string | undefined {
    const decoded = decodeOrUndefined(() => decodeDeltaRequest(bytes))
    if (decoded === undefined) return 'malformed request'
    return this.#withStream(decoded.node, (stream) => stream.onDelta(decoded.request))
  }

  #receiveSotw(bytes: Uint8Array): string | undefined {
    const decoded = decodeOrUndefined(() => decodeSotwRequest(bytes))
    if (decoded === undefined) return 'malformed request'
    return this.#withStream(decoded.node, (stream) => stream.onSotw(decoded.request))
  }

  #withStream(node: ProxyNode | undefined, run: (stream: AdsStream) => string | undefined): string | undefined {
    if (this.#open === undefined) {
      const { admitNode } = this.#core.options
      const expected = this.#place.nodeId
      if (expected !== undefined && node?.id !== expected) {
        this.#end(status.PERMISSION_DENIED, 'not allowed')
        return undefined
      }
      const refusal = node && admitNode?.(node)
      if (refusal !== undefined) {
        this.#core.options.logger.warn('A proxy cannot be served', { node: node?.id, agent: node?.agent, refusal })
        this.#end(status.FAILED_PRECONDITION, refusal)
        return undefined
      }
      this.#open = this.#start(node)
    }
    return run(this.#open.stream)
  }

  #start(node: ProxyNode | undefined): Open {
    const { options, counters, limits, leftovers } = this.#core
    const { clock, logger } = options
    const { view, acks, id } = this.#place
    const { wire, variant, address } = this.#caller
    const outlet = new Outlet(wire, {
      clock,
      stallLimit: limits.stallLimit,
      maxWaitingBytes: limits.maxWaitingBytes,
      onRoom: () => this.#core.wake(this),
      onStall: () => {
        counters.streamsCut++
        logger.warn('A proxy has stopped reading and is cut off', { node: identity.nodeId, peer: address })
        wire.cut()
        this.close()
      },
    })
    const retirement = new Retirement({
      clock,
      linger: limits.linger,
      drainsUntil: () => context.view.drainsUntil,
      onDue: (names) => this.#guard(() => stream.onDue(names)),
    })
    const isSynced = () => this.#core.isSynced
    const context = new StreamContext({
      variant,
      view,
      isSynced,
      acks,
      clock,
      logger,
      counters,
      limits,
      outlet,
      retirement,
    })
    const identity: StreamIdentity = {
      id,
      nodeId: node?.id ?? '',
      agent: node?.agent ?? '',
      peer: address,
      connectedAt: clock.now(),
    }
    const stream = new AdsStream(context, {
      scheduleFlush: () => this.#core.wake(this),
      noteState: () => this.#core.noteState(id),
      leftover: leftovers.take(view.scope, identity.nodeId),
    })
    this.#cancelAlarm = clock.after(clusterSubscriptionLimit, () => {
      if (context.subscriptions.get(typeUrls.cluster)?.requested) return
      counters.missingClusterSubscriptions++
      logger.warn('A proxy has not asked for clusters', { node: identity.nodeId, peer: address })
    })
    return { identity, context, stream }
  }

  #end(code: number, details: string): void {
    const { wire } = this.#caller
    // Trailers wait for what was written before them; a peer that reads nothing must not keep the stream.
    this.#core.options.clock.after(this.#core.limits.stallLimit, () => wire.cut())
    wire.end(code, details)
    this.close()
  }
}

function decodeOrUndefined<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch {
    return undefined
  }
}
