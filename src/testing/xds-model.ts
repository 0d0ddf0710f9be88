import type { Variant } from '../xds/stream-context.ts'
import type { FakeProxy, SeenResponse, TypeName, XdsBed } from './xds-bed.ts'
import { askingOrder, type Held, judgeAtRest, wildcardTypes } from './xds-model-at-rest.ts'
import { isBadText, isLoadable, refersTo, textOf } from './xds-model-text.ts'
import { check } from './xds-violation.ts'

/*
 * The reference model: a proxy that behaves as stock Envoy was measured to behave, and that knows what a
 * server must never do to it. It shares no code with the server but the names of the types.
 */

export interface ModelOptions {
  readonly nodeId: string
  readonly variant: Variant
  readonly linger: number
  readonly drainTime: number
  readonly random: () => number
  /** What has been refused alone, by anybody: `type name text`. Shared by the proxies of a scope. */
  readonly refusedAlone: Set<string>
  /** What any proxy has ever accepted. */
  readonly loadable: Set<string>
}

export class ModelProxy {
  readonly #bed: XdsBed
  readonly #options: ModelOptions
  proxy: FakeProxy | undefined
  readonly held = new Map<TypeName, Map<string, Held>>()
  /** Applied from a refused response: held, but not spoken of. */
  readonly #ghosts = new Map<TypeName, Set<string>>()
  readonly #wanted = new Map<TypeName, Set<string>>()
  /** Asked for and not answered yet: must be answered sooner or later. */
  readonly #unanswered = new Map<TypeName, Set<string>>()
  /** Received and not processed. */
  #inbox: SeenResponse[] = []
  readonly #warm = new Set<string>()
  /** Lost in refused responses: nobody can expect them to be there. */
  readonly #lost = new Set<string>()
  readonly #usedAt = new Map<string, number>()
  /** When the cluster ceased to be wanted. */
  readonly #unwantedSince = new Map<string, number>()
  #connectedAt = 0
  /** Tables as they were when the stream began. */
  readonly #inherited = new Map<string, string>()
  #isDrained = false
  readonly #nonces = new Map<TypeName, string>()
  readonly #versions = new Map<TypeName, string>()
  readonly #asked = new Set<TypeName>()
  readonly #seenNonces = new Set<string>()
  readonly #unackedTables = new Map<string, string>()
  #isExtensionWildcard = false
  responses = 0

  constructor(bed: XdsBed, options: ModelOptions) {
    this.#bed = bed
    this.#options = options
    for (const type of askingOrder) {
      this.held.set(type, new Map())
      this.#ghosts.set(type, new Set())
      this.#wanted.set(type, new Set())
      this.#unanswered.set(type, new Set())
    }
    bed.collections.cluster.subscribe((changes) => {
      for (const { before, after } of changes) {
        if (before?.scope === 'a' && after === undefined) this.#unwantedSince.set(before.name, bed.clock.now())
        if (after?.scope === 'a') this.#unwantedSince.delete(after.name)
      }
    })
  }

  get backlog(): number {
    return this.#inbox.length
  }

  #held(type: TypeName): Map<string, Held> {
    return this.held.get(type) as Map<string, Held>
  }

  #names(type: TypeName): Set<string> {
    return this.#wanted.get(type) as Set<string>
  }

  async connect(): Promise<void> {
    this.disconnect()
    this.#inbox = []
    this.#connectedAt = this.#bed.clock.now()
    this.#isSearching = false
    this.#isDrained = false
    this.#inherited.clear()
    for (const [name, { text }] of this.#held('route')) this.#inherited.set(name, text)
    this.#nonces.clear()
    this.#asked.clear()
    this.#seenNonces.clear()
    this.#unackedTables.clear()
    this.#effective.clear()
    this.#forgottenAt.clear()
    for (const names of this.#unanswered.values()) names.clear()
    this.proxy = await this.#bed.connect(this.#options.variant, { nodeId: this.#options.nodeId })
    this.proxy.onWrite = (response) => this.#judge(response)
    for (const type of askingOrder) {
      if (
        wildcardTypes.includes(type) ||
        this.#names(type).size > 0 ||
        (type === 'extension' && this.#isExtensionWildcard)
      ) {
        this.#ask(type, [...this.#names(type)], [])
      }
      if (this.#options.random() < 0.3) this.receive()
    }
  }

  /** The control plane wants it to let go of its clients: until it reconnects, no listener may be sent. */
  drain(): void {
    const count = this.#bed.core.drain(this.#options.nodeId)
    check(count === (this.proxy === undefined ? 0 : 1), `${count} streams of one proxy were drained`)
    this.#isDrained = this.proxy !== undefined
  }

  stopReading(): void {
    if (this.proxy) this.proxy.isStopped = true
  }

  readOn(): void {
    if (this.proxy === undefined) return
    this.proxy.isStopped = false
    this.proxy.read(Number.POSITIVE_INFINITY)
  }

  disconnect(): void {
    this.proxy?.disconnect()
    this.proxy = undefined
  }

  #ask(type: TypeName, added: readonly string[], removed: readonly string[]): void {
    const { proxy } = this
    if (proxy === undefined) return
    const isFirst = !this.#asked.has(type)
    this.#asked.add(type)
    const star = type === 'extension' && this.#isExtensionWildcard ? ['*'] : []
    this.#effective.set(type, new Set(this.#names(type)))
    if (this.#options.variant === 'sotw') {
      proxy.sotw(type, {
        resourceNames: [...star, ...this.#names(type)],
        responseNonce: this.#nonces.get(type) ?? '',
        versionInfo: this.#versions.get(type) ?? '',
      })
      return
    }
    const initial: Record<string, string> = {}
    if (isFirst) {
      for (const [name, { version }] of this.#held(type)) {
        if (!this.#ghosts.get(type)?.has(name)) initial[name] = version
      }
    }
    proxy.delta(type, {
      resourceNamesSubscribe: isFirst ? [...star, ...added] : added,
      resourceNamesUnsubscribe: removed,
      initialResourceVersions: initial,
    })
    for (const name of added) if (initial[name] === undefined) this.#unanswered.get(type)?.add(name)
    for (const name of removed) this.#unanswered.get(type)?.delete(name)
  }

  /** Takes what the server has written. */
  receive(): void {
    if (this.proxy === undefined) return
    for (const response of this.proxy.take()) {
      this.responses++
      this.#inbox.push(response)
    }
  }

  /** At the moment of writing: what was asked for until then counts. */
  #judge(response: SeenResponse): void {
    const type = response.type as TypeName
    const { names, removed, nonce } = response
    const all = [...names, ...removed]
    check(type !== 'listener' || names.length === 0 || !this.#isDrained, `${names.join()} is sent to a drained proxy`)
    check(new Set(all).size === all.length, `C8: duplicate name in ${type} ${all.join()}`)
    check(nonce !== '' && !this.#seenNonces.has(nonce), `C2: nonce ${nonce} of ${type} is empty or old`)
    this.#seenNonces.add(nonce)
    check(
      names.length === 0 || removed.length === 0 || type !== 'cluster',
      `clusters ${removed.join()} are removed while ${names.join()} are added`,
    )
    for (const name of names) {
      const text = response.texts[name] as string
      check(!text.startsWith('foreign'), `A7: ${type} ${name} of another scope was sent`)
      const key = `${type} ${name} ${text}`
      const isKnownBad = this.#options.refusedAlone.has(key) && !this.#options.loadable.has(key)
      check(!isKnownBad, `C16: ${key} was refused alone and is sent again`)
      if (type === 'route') {
        const isStandIn = textOf(this.#bed, type, name) !== text
        const usable = refersTo(text).filter(
          (c) => isLoadable(this.#bed, 'cluster', c) && isLoadable(this.#bed, 'endpoint', c),
        )
        this.#promised.set(`${name} ${text}`, isStandIn ? [] : usable)
        const other = this.#unackedTables.get(name)
        check(other === undefined, `two unanswered versions of table ${name}: ${other} and ${text}`)
        this.#unackedTables.set(name, text)
      }
      const isPushed = type === 'endpoint' || type === 'secret'
      const isRoot = wildcardTypes.includes(type) || (type === 'extension' && this.#isExtensionWildcard)
      const isAskedFor = this.#effective.get(type)?.has(name) === true
      check(isPushed || isRoot || isAskedFor, `S7: ${type} ${name} is sent although not asked for`)
    }
    if (type === 'cluster' && this.#options.variant === 'sotw') {
      const forgotten = [...this.#unwantedSince].filter(
        ([, since]) => this.#connectedAt - since >= this.#options.linger,
      )
      this.#forgottenAt.set(nonce, new Set(forgotten.map(([name]) => name)))
    }
  }

  /**
   * By table and text: the clusters that must be there before it. Not for tables in a last good form,
   * which may be so old that what they use is gone.
   */
  readonly #promised = new Map<string, readonly string[]>()
  /** By nonce: what nobody could know any more that this proxy has. */
  readonly #forgottenAt = new Map<string, ReadonlySet<string>>()
  #forgotten: ReadonlySet<string> = new Set()

  /** What was asked for in the newest request. */
  readonly #effective = new Map<TypeName, ReadonlySet<string>>()

  /** Applies and answers the oldest response. */
  process(): void {
    const response = this.#inbox.shift()
    if (response === undefined || this.proxy === undefined) return
    const type = response.type as TypeName
    const { random, loadable, refusedAlone } = this.#options
    this.#nonces.set(type, response.nonce)
    if (type === 'route') for (const name of response.names) this.#unackedTables.delete(name)
    const bad = response.names.filter((name) => isBadText(response.texts[name]))
    for (const name of [...response.names, ...response.removed]) this.#unanswered.get(type)?.delete(name)
    if (bad.length === 0) {
      for (const name of response.names) loadable.add(`${type} ${name} ${response.texts[name]}`)
      this.#apply(response, false)
      if (this.#options.variant === 'sotw') this.#versions.set(type, response.version)
    } else if (this.#fullSet(type)) {
      this.#noteLost(response)
      if (type === 'cluster') this.#isSearching = true
    } else {
      if (response.names.length === 1) refusedAlone.add(`${type} ${bad[0]} ${response.texts[bad[0] as string]}`)
      // Either all is lost, or the good siblings are applied without being spoken of.
      if (random() < 0.5) this.#noteLost(response)
      else this.#apply(response, true)
    }
    this.#answer(response, bad.length === 0 ? undefined : 'something in it is bad')
  }

  #fullSet(type: TypeName): boolean {
    return this.#options.variant === 'sotw' && wildcardTypes.includes(type)
  }

  #noteLost(response: SeenResponse): void {
    for (const name of response.names) this.#lost.add(`${response.type} ${name}`)
  }

  #answer(response: SeenResponse, error: string | undefined): void {
    const type = response.type as TypeName
    const errorDetail = error === undefined ? {} : { errorDetail: { code: 13, message: error } }
    if (this.#options.variant === 'delta') {
      this.proxy?.delta(type, { responseNonce: response.nonce, ...errorDetail })
    } else {
      const star = type === 'extension' && this.#isExtensionWildcard ? ['*'] : []
      this.#effective.set(type, new Set(this.#names(type)))
      this.proxy?.sotw(type, {
        responseNonce: response.nonce,
        versionInfo: this.#versions.get(type) ?? '',
        resourceNames: [...star, ...this.#names(type)],
        ...errorDetail,
      })
    }
  }

  #apply(response: SeenResponse, isPartial: boolean): void {
    const type = response.type as TypeName
    const held = this.#held(type)
    this.#forgotten = this.#forgottenAt.get(response.nonce) ?? new Set()
    const removed = new Set(response.removed)
    if (this.#fullSet(type)) for (const name of held.keys()) if (!response.names.includes(name)) removed.add(name)
    if (!isPartial) for (const name of removed) this.#remove(type, name)
    for (const name of response.names) {
      const text = response.texts[name] as string
      const isWanted = wildcardTypes.includes(type) || this.#isExtensionWildcard || this.#names(type).has(name)
      if (isPartial && isBadText(text)) {
        this.#lost.add(`${type} ${name}`)
        continue
      }
      if (!isWanted) continue
      if (isPartial) this.#ghosts.get(type)?.add(name)
      else this.#ghosts.get(type)?.delete(name)
      this.#lost.delete(`${type} ${name}`)
      const before = held.get(name)
      held.set(name, { text, version: response.versions[name] ?? '' })
      if (type === 'cluster' && before?.text !== text) {
        this.#warm.delete(name)
        this.#use('endpoint', name)
      }
      if (type === 'endpoint') {
        this.#warm.add(name)
        this.#wasWarm.add(name)
      }
      if (type === 'route') this.#onTable(name, before?.text ?? '', text)
    }
    if (type === 'cluster') {
      this.#follow('endpoint', [...held.keys()])
    }
    if (type === 'listener')
      this.#follow(
        'route',
        [...held.values()].flatMap(({ text }) => refersTo(text)),
      )
  }

  #use(type: TypeName, name: string): void {
    // What was lost before does not excuse a new version.
    this.#lost.delete(`${type} ${name}`)
  }

  #onTable(name: string, before: string, after: string): void {
    const now = this.#bed.clock.now()
    for (const cluster of refersTo(before)) {
      this.#usedAt.set(cluster, now)
      this.usedBy.set(cluster, `before ${name} ${before} => ${after}`)
    }
    for (const cluster of refersTo(after)) {
      this.#usedAt.set(cluster, now)
      const isPromised = this.#promised.get(`${name} ${after}`)?.includes(cluster) === true
      const isLost = this.#lost.has(`cluster ${cluster}`) || this.#lost.has(`endpoint ${cluster}`)
      if (isLost || !isPromised || this.#isSearching) continue
      check(
        this.#held('cluster').has(cluster),
        `C12: table ${name} uses cluster ${cluster}, which the proxy does not have`,
      )
      // A changed cluster serves in its old form until its endpoints have come: only the first time counts.
      check(
        this.#warm.has(cluster) || this.#wasWarm.has(cluster),
        `C10: table ${name} uses cluster ${cluster}, which has no endpoints`,
      )
    }
  }

  readonly #wasWarm = new Set<string>()
  /** A full set was refused: the server leaves clusters out until it knows which one is bad. */
  #isSearching = false

  #remove(type: TypeName, name: string): void {
    const now = this.#bed.clock.now()
    const held = this.#held(type).get(name)
    this.#held(type).delete(name)
    this.#ghosts.get(type)?.delete(name)
    if (held === undefined) return
    if (type === 'listener') {
      for (const table of refersTo(held.text)) this.#markUsed(table)
    }
    if (type !== 'cluster') return
    this.#wasWarm.delete(name)
    this.#warm.delete(name)
    // State of the world cannot say what it has: after a reconnection only what is still kept for all is kept.
    // Nor can anybody know it after a refused full set, which says nothing about what was there before.
    if (this.#forgotten.has(name) || this.#isSearching) return
    for (const [table, { text }] of this.#held('route')) {
      check(!refersTo(text).includes(name), `C11: cluster ${name} is removed while table ${table} uses it`)
    }
    const used = this.#usedAt.get(name)
    if (used === undefined) return
    check(
      now - used >= this.#options.linger,
      `cluster ${name} is removed ${now - used} ms after its last use (${this.usedBy.get(name)})`,
    )
  }

  readonly usedBy = new Map<string, string>()
  #markUsed(table: string): void {
    const text = this.#held('route').get(table)?.text ?? ''
    for (const cluster of refersTo(text)) {
      this.#usedAt.set(cluster, this.#bed.clock.now())
      this.usedBy.set(cluster, `listener of ${table} ${text}`)
    }
  }

  /** Asks for children that are referred to now, and no longer for others. */
  #follow(type: TypeName, names: readonly string[]): void {
    const wanted = this.#names(type)
    const added = [...new Set(names)].filter((name) => !wanted.has(name))
    const removed = [...wanted].filter((name) => !names.includes(name))
    for (const name of added) wanted.add(name)
    for (const name of removed) {
      wanted.delete(name)
      if (type === 'route') this.#markUsed(name)
      this.#held(type).delete(name)
      this.#ghosts.get(type)?.delete(name)
    }
    if (added.length > 0 || removed.length > 0) this.#ask(type, added, removed)
  }

  /** Something that proxies do seldom, or only buggy ones. */
  misbehave(): void {
    const { proxy } = this
    if (proxy === undefined) return
    const { random, variant } = this.#options
    const names = ['x0', 'x1', 'x2', 'x3', 'x4', 'missing']
    const name = names[Math.floor(random() * names.length)] as string
    const wanted = this.#names('extension')
    const roll = random()
    if (roll < 0.4) {
      wanted.add(name)
      this.#ask('extension', [name], [])
    } else if (roll < 0.7) {
      wanted.delete(name)
      // Also phantom unsubscriptions.
      if (!this.#isExtensionWildcard) this.#held('extension').delete(name)
      this.#ghosts.get('extension')?.delete(name)
      this.#ask('extension', [], [name])
    } else if (roll < 0.85) {
      // A stale or invented nonce.
      const nonce = random() < 0.5 ? 'zzz' : (this.#nonces.get('extension') ?? 'zzz')
      const resourceNames = [...wanted]
      if (variant === 'delta') proxy.delta('extension', { responseNonce: nonce })
      else if (this.#asked.has('extension')) proxy.sotw('extension', { responseNonce: nonce, resourceNames })
    } else {
      this.#ask('extension', [], ['never-asked-for'])
    }
  }

  /** After everything was answered and all lingers are over. */
  judgeAtRest(): void {
    judgeAtRest({
      bed: this.#bed,
      variant: this.#options.variant,
      held: (type) => this.#held(type),
      wants: (type, name) => wildcardTypes.includes(type) || this.#names(type).has(name),
      unanswered: (type) => this.#unanswered.get(type) ?? new Set(),
      warm: this.#warm,
      inherited: this.#inherited,
      isSearching: this.#isSearching,
      isDrained: this.#isDrained,
    })
  }
}
