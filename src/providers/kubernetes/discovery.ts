import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { type KindDefinition, type KindName, kinds } from '../../gatewayapi/kinds.ts'
import { splitNamespacedName } from '../../gatewayapi/object-key.ts'
import { gatewayGroup } from '../../gatewayapi/objects/reference.ts'
import { type ApiClient, ApiError, type ApiResource, onlyMetadata, onlyMetadataList } from './api-client.ts'
import { type BackoffRange, chooseBackoff, wait } from './backoff.ts'
import { asList, asObject } from './json.ts'
import { metadataOf } from './raw-object.ts'
import { Reflector } from './reflector.ts'

/** Where each kind is served; kinds that are not served are absent. */
export type ServedKinds = ReadonlyMap<KindName, ApiResource>

/** What the CRDs of the Gateway API say of themselves; undefined where they cannot be read. */
export interface GatewayApiBundle {
  /** e.g. "v1.7.0". */
  readonly version: string | undefined
  /** "standard" or "experimental". */
  readonly channel: string | undefined
}

export interface DiscoveryOptions {
  readonly client: ApiClient
  readonly clock: Clock
  readonly logger: Logger
  /** Kinds that are looked for. */
  readonly kinds: readonly KindName[]
  /** Called with what is served once that is known, and whenever it is something else. */
  readonly onChange: (served: ServedKinds) => void
  /** Called whenever the CRDs are of another bundle. */
  readonly onBundle?: (bundle: GatewayApiBundle) => void
  readonly random?: () => number
}

/** Milliseconds. */
const timing = {
  /** Between two looks, when a watch tells of new CRDs. */
  watched: 60_000,
  /** Between two looks, when nobody tells. */
  unwatched: 10_000,
  /** After looks that failed. */
  failed: { base: 500, max: 4000 } satisfies BackoffRange,
  /** After a CRD came or went: it takes the server some moments to serve it. */
  eager: [100, 500, 1000, 2000, 4000, 8000],
  /** How many of them follow the first look: a CRD may have come before there was a watch to tell of it. */
  eagerAtStart: 3,
  /** That a kind or its newest version is gone is believed when it is still so after a while. */
  vanish: 2000,
} as const

/** Built into the API server, so nobody has to ask. */
const builtInGroups: ReadonlySet<string> = new Set(['', 'discovery.k8s.io'])
const crdGroup = 'apiextensions.k8s.io'
const bundleAnnotation = 'gateway.networking.k8s.io/bundle-version'
const channelAnnotation = 'gateway.networking.k8s.io/channel'
/** Every installation has it. */
const bundleDefinition = `gatewayclasses.${gatewayGroup}`

/**
 * Finds out which kinds the API server serves, and in which version, and notices when that changes: by
 * watching CustomResourceDefinitions where that is allowed, and by asking now and then everywhere.
 * An error changes nothing; a kind is gone only when the server has said so twice.
 * The caller calls `start` once and `stop` at the end.
 */
export class Discovery {
  readonly #options: DiscoveryOptions
  readonly definitions: Reflector
  /** By "group/version": plural names that can be listed and watched. */
  readonly #known = new Map<string, ReadonlySet<string>>()
  #served: ServedKinds | undefined
  #bundle: GatewayApiBundle | undefined
  /** Since when a kind is missing that was served. */
  #lostSince: number | undefined
  /** How many eager looks are left. */
  #eager: number = timing.eagerAtStart
  #failures = 0
  #wake = new AbortController()
  #stopped = false
  #running: Promise<void> | undefined

  constructor(options: DiscoveryOptions) {
    const { client, clock, logger, random } = options
    this.#options = options
    this.definitions = new Reflector({
      client,
      clock,
      logger,
      kind: 'CustomResourceDefinition',
      isOptional: true,
      resource: { group: crdGroup, version: 'v1', plural: 'customresourcedefinitions' },
      accept: { list: onlyMetadataList, watch: onlyMetadata },
      ...(random && { random }),
      sink: {
        put: (key, object) => this.#noticeDefinition(splitNamespacedName(key).name, object),
        delete: (key) => this.#noticeDefinition(splitNamespacedName(key).name, undefined),
        // Nobody will tell of the bundle either.
        onState: (state) => {
          if (state !== 'synced') void this.#readBundle()
        },
      },
    })
  }

  /** What is served as far as is known: at first what every API server serves, which can be read without asking. */
  get served(): ServedKinds {
    return this.#served ?? this.#deriveServed()
  }

  get bundle(): GatewayApiBundle | undefined {
    return this.#bundle
  }

  start(): void {
    this.#running ??= this.#run()
    this.definitions.start()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#wake.abort()
    await Promise.all([this.definitions.stop(), this.#running])
  }

  /** Something hints at a change: looks soon, and again for some seconds. */
  refresh(): void {
    this.#eager = timing.eager.length
    this.#wake.abort()
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#wake = new AbortController()
      const pause = await this.#look()
      if (!this.#stopped) await wait(this.#options.clock, pause, this.#wake.signal)
    }
  }

  /** @returns when to look again, in milliseconds */
  async #look(): Promise<number> {
    const wanted = this.#listGroupVersions()
    const failures = await Promise.all(wanted.map((groupVersion) => this.#ask(groupVersion)))
    if (this.#stopped) return 0
    this.#failures = failures.some((failed) => failed) ? this.#failures + 1 : 0
    let pause = Number.POSITIVE_INFINITY
    if (wanted.every((groupVersion) => this.#known.has(groupVersion))) {
      pause = this.#settle()
      const isTold = this.definitions.state === 'loading' || this.definitions.state === 'synced'
      if (!isTold) await this.#readBundle()
    }
    const { random = Math.random } = this.#options
    return Math.min(pause, this.#failures > 0 ? chooseBackoff(this.#failures, timing.failed, random) : this.#nextLook())
  }

  #nextLook(): number {
    if (this.#eager > 0) return timing.eager[timing.eager.length - this.#eager--] ?? 0
    return this.definitions.state === 'synced' ? timing.watched : timing.unwatched
  }

  /** Takes over what is known now. @returns when to look again at the latest, in milliseconds */
  #settle(): number {
    const { clock, onChange, logger } = this.#options
    const served = this.#deriveServed()
    const before: ServedKinds = this.#served ?? new Map()
    const lost = [...before].filter(([kind, { version }]) => isLost(kind, version, served.get(kind)?.version))
    this.#lostSince = lost.length > 0 ? (this.#lostSince ?? clock.now()) : undefined
    const isBelieved = this.#lostSince === undefined || clock.now() - this.#lostSince >= timing.vanish
    if (isBelieved) this.#lostSince = undefined
    else for (const [kind, resource] of lost) served.set(kind, resource)
    if (this.#served === undefined || !isSame(before, served)) {
      const absent = this.#options.kinds.filter((kind) => !served.has(kind))
      if (absent.length > 0) logger.info('The API server does not serve all kinds; the others are read.', { absent })
      this.#served = served
      onChange(served)
    }
    return isBelieved ? Number.POSITIVE_INFINITY : timing.vanish
  }

  #deriveServed(): Map<KindName, ApiResource> {
    const served = new Map<KindName, ApiResource>()
    for (const name of this.#options.kinds) {
      const { group, plural, versions }: KindDefinition = kinds[name]
      const version = builtInGroups.has(group)
        ? versions[0]
        : versions.find((candidate) => this.#known.get(`${group}/${candidate}`)?.has(plural))
      if (version !== undefined) served.set(name, { group, version, plural })
    }
    return served
  }

  #listGroupVersions(): string[] {
    const all = this.#options.kinds.flatMap((name) => {
      const { group, versions }: KindDefinition = kinds[name]
      return builtInGroups.has(group) ? [] : versions.map((version) => `${group}/${version}`)
    })
    return [...new Set(all)]
  }

  /** @returns whether the question failed */
  async #ask(groupVersion: string): Promise<boolean> {
    const { client, logger } = this.#options
    try {
      const answer = await client.call({ method: 'GET', path: `/apis/${groupVersion}`, timeout: 10_000 })
      this.#known.set(groupVersion, readPlurals(answer))
      return false
    } catch (error) {
      const status = error instanceof ApiError ? error.status : 0
      if (status === 404) this.#known.set(groupVersion, new Set())
      // Whoever may not ask finds out by trying.
      else if (status === 403 && !this.#known.has(groupVersion)) this.#known.set(groupVersion, this.#assumeAll())
      else logger.debug('What the API server serves cannot be asked.', { groupVersion, error: String(error) })
      return status !== 404 && status !== 403
    }
  }

  #assumeAll(): Set<string> {
    return new Set(this.#options.kinds.map((name) => kinds[name].plural))
  }

  #noticeDefinition(name: string, definition: unknown): void {
    const group = name.slice(name.indexOf('.') + 1)
    if (!this.#options.kinds.some((kind) => kinds[kind].group === group)) return
    if (name === bundleDefinition && definition !== undefined) this.#setBundle(definition)
    if (this.definitions.state !== 'loading') this.refresh()
  }

  /** Without the right to list CRDs there may be one to get them. */
  async #readBundle(): Promise<void> {
    const path = `/apis/${crdGroup}/v1/customresourcedefinitions/${bundleDefinition}`
    try {
      this.#setBundle(await this.#options.client.call({ method: 'GET', path, accept: onlyMetadata, timeout: 10_000 }))
    } catch {
      // Nobody depends on it.
    }
  }

  #setBundle(definition: unknown): void {
    const annotations = asObject(metadataOf(definition)['annotations'])
    const read = (name: string) => (typeof annotations[name] === 'string' ? annotations[name] : undefined)
    const bundle: GatewayApiBundle = { version: read(bundleAnnotation), channel: read(channelAnnotation) }
    if (this.#bundle?.version === bundle.version && this.#bundle?.channel === bundle.channel) return
    this.#bundle = bundle
    this.#options.onBundle?.(bundle)
  }
}

function readPlurals(answer: unknown): Set<string> {
  const resources = asList(asObject(answer)['resources'])
  const usable = resources.filter(
    ({ verbs }) => Array.isArray(verbs) && verbs.includes('list') && verbs.includes('watch'),
  )
  return new Set(usable.map(({ name }) => String(name)))
}

/** Whether a kind is served no more, or only in an older version. */
function isLost(kind: KindName, before: string, now: string | undefined): boolean {
  const { versions }: KindDefinition = kinds[kind]
  return now === undefined || versions.indexOf(now) > versions.indexOf(before)
}

function isSame(a: ServedKinds, b: ServedKinds): boolean {
  return a.size === b.size && [...a].every(([kind, { version }]) => b.get(kind)?.version === version)
}
