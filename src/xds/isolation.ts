import { assert } from '../base/assert.ts'
import { contentVersion } from '../base/hash.ts'
import type { EnvoyResource, ResourcePart } from './resource.ts'

/** One part that proxies refuse, and what the proxy said about it. */
export interface Culprit {
  /** Of the part. */
  readonly name: string
  /** Canonical keys of the user's objects that the part came from. */
  readonly sources: readonly string[]
  readonly message: string
}

/** What is to be sent instead of something refused. */
export interface StandIn {
  readonly resource: EnvoyResource
  /** Parts that answer that they are out of order, because no good form of them is known: a proxy may hold one. */
  readonly outOfOrder: number
  /** Those of them that nobody has found fault with yet. */
  readonly doubted: number
}

/** @returns what is sent as it is wanted */
export function asWanted(resource: EnvoyResource): StandIn {
  return { resource, outOfOrder: 0, doubted: 0 }
}

/** What is known of the whole resource. */
export interface IsolationOptions {
  /** What a proxy said about the bytes of this version, if it refused them: then they are not to be sent again. */
  readonly messageFor: (version: string) => string | undefined
  /** What proxies have loaded last. */
  readonly lastGood: () => EnvoyResource | undefined
}

/** Parts that are remembered as bad, and attempts to find them, each for one resource. */
const mostBad = 256
const mostTrials = 256

/** More culprits than this are not spoken of in a version: it goes over the wire with each reconnection. */
const mostMarks = 16

/** Tells nothing that the names of virtual hosts and versions could not. */
const presumedMessage = 'a proxy has refused it before this control plane was started'

/**
 * The version of what stands in for `wanted` names the culprits, so that a control plane that is started later
 * learns of them from the proxies that come back with it: content, "~", version of `wanted`, "~", marks.
 */
export function parseStandInVersion(
  version: string,
): { readonly wanted: string; readonly marks: string[] } | undefined {
  const [, wanted, marks] = version.split('~')
  if (wanted === undefined || marks === undefined) return undefined
  return { wanted, marks: marks.split('.') }
}

/** Of the bytes alone: what a proxy refuses under one version it refuses under another. */
export function contentOf(version: string): string {
  const end = version.indexOf('~')
  return end < 0 ? version : version.slice(0, end)
}

const markOf = (part: ResourcePart): string => contentVersion(idOf(part))

const idOf = (part: ResourcePart): string => `${part.name}\n${part.version}`

/**
 * Finds the parts of one refused resource that are to blame, and keeps the rest of it served: a virtual
 * host that proxies refuse takes only itself out of its table. What is sent on the way is made of parts in
 * their current form, of parts in their last good form, and, for want of one, of parts that answer that
 * they are out of order; the suspects are halved until each is known to be good or bad.
 *
 * The caller tells every acceptance and every refusal of what `standIn` gave, and asks `standIn` again.
 */
export class Isolation {
  /** By `idOf`, oldest first. */
  readonly #bad = new Map<string, string>()
  /** The newest form of each part that proxies have loaded. */
  readonly #good = new Map<string, ResourcePart>()
  readonly #options: IsolationOptions
  #target: EnvoyResource
  #standIn: StandIn | undefined
  /** Suspects, in groups: one of them is tried at a time, on top of what is good. */
  #groups: (readonly ResourcePart[])[] = []
  #trial: string | undefined
  #trials = 0
  #isHopeless = false
  #isHeldBack = false
  /** Those that the message of the last refusal points at. */
  #named: readonly ResourcePart[] | undefined
  /** Of the last refusal. */
  #message = ''

  constructor(target: EnvoyResource, options: IsolationOptions) {
    this.#target = target
    this.#options = options
  }

  /**
   * What to send for `wanted`: itself if nothing is known against it; undefined if it is hopeless: then not a
   * part is to blame but something else.
   */
  standIn(wanted: EnvoyResource): StandIn | undefined {
    this.#aimAt(wanted)
    return this.#isHopeless ? undefined : (this.#standIn ?? asWanted(wanted))
  }

  /** The bad parts of `wanted` that are known so far; undefined if parts are not to blame. */
  culprits(wanted: EnvoyResource): readonly Culprit[] | undefined {
    this.#aimAt(wanted)
    if (this.#isHopeless) return undefined
    const suspects = this.#isHeldBack ? (this.#named ?? this.#groups.flat()) : []
    return [...this.#badParts(), ...suspects].map((part) => ({
      name: part.name,
      sources: part.sources,
      message: this.#bad.get(idOf(part)) ?? this.#message,
    }))
  }

  /**
   * What `standIn` gave is not sent, because what a proxy holds may be better. Until somebody answers, those
   * that the message points at count as culprits, or all suspects. @returns whether that is new
   */
  holdBack(): boolean {
    if (this.#isHeldBack || this.#trial === undefined) return false
    this.#isHeldBack = true
    return true
  }

  /**
   * A proxy holds something in which parts with these marks were replaced, because one has refused them before
   * this control plane was started. @returns whether that is news
   */
  presume(marks: readonly string[], wanted: EnvoyResource): boolean {
    this.#aimAt(wanted)
    if (this.#groups.length > 0) return false
    const suspects = partsOf(wanted).filter((part) => !this.#bad.has(idOf(part)) && marks.includes(markOf(part)))
    if (suspects.length === 0) return false
    this.#message = presumedMessage
    for (const part of suspects) this.#blame(part)
    this.#standIn = this.#compose(new Set())
    return true
  }

  /** A proxy refused exactly these bytes, alone. */
  refuse(refused: EnvoyResource, wanted: EnvoyResource, message: string): void {
    this.#aimAt(wanted)
    const expected = this.#standIn?.resource ?? wanted
    // An answer to what was sent before tells nothing about what is tried now.
    if (refused.version !== expected.version || this.#isHopeless) return
    this.#message = message
    if (this.#trial === undefined) this.#begin()
    else this.#failTrial()
    this.#next()
  }

  /** A proxy loaded exactly these bytes. @returns whether there is something else to send now */
  accept(accepted: EnvoyResource, wanted: EnvoyResource): boolean {
    this.#aimAt(wanted)
    if (accepted.version === wanted.version) {
      for (const part of partsOf(wanted)) this.#bad.delete(idOf(part))
      this.#good.clear()
      this.#restart()
      return false
    }
    if (accepted.version !== this.#standIn?.resource.version) return this.#fillIn(accepted)
    this.#learn(accepted)
    if (this.#trial === undefined) return false
    this.#groups.shift()
    this.#next()
    return true
  }

  /** Late news of a form that loads is better than none. @returns whether that changes what is sent */
  #fillIn(accepted: EnvoyResource): boolean {
    if (this.#standIn === undefined || this.#standIn.outOfOrder === 0) return false
    for (const part of partsOf(accepted)) {
      if (part.isPlaceholder !== true && !this.#good.has(part.name)) this.#good.set(part.name, part)
    }
    const before = this.#standIn.resource.version
    if (this.#groups.length > 0) this.#next()
    else this.#standIn = this.#compose(new Set())
    return this.#standIn.resource.version !== before
  }

  /** Another version may be wanted than the last time; what is known of the parts stays known. */
  #aimAt(wanted: EnvoyResource): void {
    if (wanted.version === this.#target.version) return
    this.#target = wanted
    this.#restart()
    if (this.#badParts().length > 0) {
      this.#learn(this.#options.lastGood())
      this.#standIn = this.#compose(new Set())
    }
    // Known from another time: what parts are to blame may not be, because another version came between.
    const message = this.#options.messageFor(this.#standIn?.resource.version ?? wanted.version)
    if (message === undefined) return
    this.#message = message
    this.#begin()
    this.#next()
  }

  #restart(): void {
    this.#standIn = undefined
    this.#groups = []
    this.#trial = undefined
    this.#trials = 0
    this.#isHopeless = false
    this.#isHeldBack = false
  }

  #badParts(): ResourcePart[] {
    return this.#bad.size === 0 ? [] : partsOf(this.#target).filter((part) => this.#bad.has(idOf(part)))
  }

  #isGood(part: ResourcePart): boolean {
    return this.#good.get(part.name)?.version === part.version
  }

  /** What was sent as a whole, or with all known culprits replaced, was refused. */
  #begin(): void {
    this.#learn(this.#options.lastGood())
    const suspects = partsOf(this.#target).filter((part) => !this.#isGood(part) && !this.#bad.has(idOf(part)))
    if (suspects.length === 0) this.#isHopeless = true
    else if (suspects.length === 1) this.#blame(suspects[0] as ResourcePart)
    else this.#groups = this.#divide(suspects)
  }

  #failTrial(): void {
    const group = this.#groups.shift() ?? []
    const [only] = group
    if (group.length === 1 && only !== undefined) this.#blame(only)
    else this.#groups.unshift(...this.#divide(group))
  }

  /** Goes on to the next group that really has to be tried, or ends the search. */
  #next(): void {
    this.#isHeldBack = false
    for (;;) {
      this.#trial = undefined
      if (this.#trials >= mostTrials) for (const part of this.#groups.splice(0).flat()) this.#blame(part)
      const group = this.#groups[0]
      if (group === undefined) {
        this.#standIn = this.#compose(new Set())
        if (this.#options.messageFor(this.#standIn.resource.version) !== undefined) this.#isHopeless = true
        return
      }
      const trial = this.#compose(new Set(group.map(idOf)))
      if (this.#options.messageFor(trial.resource.version) !== undefined) {
        // All but the culprits of this group are in it by now: the outcome is known.
        this.#failTrial()
        continue
      }
      this.#standIn = trial
      this.#trial = trial.resource.version
      this.#trials++
      return
    }
  }

  #blame(part: ResourcePart): void {
    this.#bad.set(idOf(part), this.#message)
    for (const oldest of this.#bad.keys()) {
      if (this.#bad.size <= mostBad) break
      this.#bad.delete(oldest)
    }
  }

  #learn(accepted: EnvoyResource | undefined): void {
    for (const part of accepted?.parts?.() ?? []) if (part.isPlaceholder !== true) this.#good.set(part.name, part)
  }

  /** @param tried suspects that are in it, by `idOf` */
  #compose(tried: ReadonlySet<string>): StandIn {
    const others = new Map<string, ResourcePart | undefined>()
    const isSearching = this.#groups.length > 0
    let outOfOrder = 0
    let doubted = 0
    for (const part of partsOf(this.#target)) {
      const id = idOf(part)
      const isBad = this.#bad.has(id)
      // Before a search there are no suspects: what is not known to be bad is tried as it is.
      if (!isBad && (!isSearching || this.#isGood(part) || tried.has(id))) continue
      const good = this.#good.get(part.name)
      const isUsable = good !== undefined && !this.#bad.has(idOf(good))
      others.set(part.name, isUsable ? good : undefined)
      if (isUsable) continue
      outOfOrder++
      if (!isBad) doubted++
    }
    if (others.size === 0) return asWanted(this.#target)
    const { replaceParts } = this.#target
    assert(replaceParts !== undefined, 'what has parts can replace them')
    return { resource: this.#mark(replaceParts.call(this.#target, others)), outOfOrder, doubted }
  }

  #mark(composed: EnvoyResource): EnvoyResource {
    const marks = this.#badParts().map(markOf)
    if (marks.length === 0 || marks.length > mostMarks) return composed
    return new MarkedResource(composed, `${composed.version}~${this.#target.version}~${marks.join('.')}`)
  }

  /** Halves, or those that the message points at and the rest, which is tried first. */
  #divide(suspects: readonly ResourcePart[]): (readonly ResourcePart[])[] {
    const named = findNamed(partsOf(this.#target), suspects, this.#message)
    this.#named = undefined
    if (named.size > 0 && named.size <= suspects.length / 2) {
      this.#named = [...named]
      return [suspects.filter((part) => !named.has(part)), this.#named]
    }
    const middle = suspects.length >> 1
    return [suspects.slice(0, middle), suspects.slice(middle)]
  }
}

/** The same resource under another version. */
class MarkedResource implements EnvoyResource {
  readonly version: string
  readonly #resource: EnvoyResource

  constructor(resource: EnvoyResource, version: string) {
    this.#resource = resource
    this.version = version
  }

  get typeUrl(): string {
    return this.#resource.typeUrl
  }

  get scope(): string {
    return this.#resource.scope
  }

  get name(): string {
    return this.#resource.name
  }

  get bytes(): Uint8Array {
    return this.#resource.bytes
  }

  get sources(): readonly string[] {
    return this.#resource.sources
  }

  get awaits(): readonly string[] {
    return this.#resource.awaits ?? []
  }

  parts(): readonly ResourcePart[] {
    return partsOf(this.#resource)
  }

  replaceParts(others: ReadonlyMap<string, ResourcePart | undefined>): EnvoyResource {
    return this.#resource.replaceParts?.(others) ?? this
  }
}

function partsOf(resource: EnvoyResource): readonly ResourcePart[] {
  return resource.parts?.() ?? []
}

/**
 * The suspects that Envoy's message may be about: it tells the index of a virtual host that breaks a rule of
 * the message, and often ends with the text that it does not understand. A guess that is wrong costs one trial.
 */
function findNamed(
  parts: readonly ResourcePart[],
  suspects: readonly ResourcePart[],
  message: string,
): ReadonlySet<ResourcePart> {
  const index = /VirtualHosts\[(\d+)\]/.exec(message)?.[1]
  if (index !== undefined) {
    const part = parts[Number(index)]
    return new Set(part !== undefined && suspects.includes(part) ? [part] : [])
  }
  const text = message.slice(message.lastIndexOf(': ') + 2)
  if (text.length < 3 || !message.includes(': ')) return new Set()
  return new Set(suspects.filter((part) => Buffer.from(part.bytes).includes(text)))
}
