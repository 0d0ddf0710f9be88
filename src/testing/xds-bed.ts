import { contentVersion } from '../base/hash.ts'
import { type LogFields, type Logger, silentLogger } from '../base/logger.ts'
import type { Source } from '../collections/collection.ts'
import { Scheduler } from '../collections/scheduler.ts'
import { envoy } from '../gen/discovery.js'
import { ackKey, type ResourceAck } from '../xds/acks.ts'
import { createTokenAuthenticator, type Peer } from '../xds/authenticator.ts'
import { XdsCore } from '../xds/core.ts'
import type { Wire } from '../xds/outlet.ts'
import { type EnvoyResource, resourceKey, typeUrls } from '../xds/resource.ts'
import type { XdsServerOptions } from '../xds/server-options.ts'
import type { Session } from '../xds/session.ts'
import type { Variant } from '../xds/stream-context.ts'
import type { StreamState } from '../xds/stream-state.ts'
import { FakeClock } from './xds-clock.ts'

export type TypeName = keyof typeof typeUrls

/** A resource whose bytes are a text; equal text, equal version. */
export function makeResource(
  type: TypeName,
  name: string,
  text = 'v1',
  more: Partial<Pick<EnvoyResource, 'scope' | 'slowToWarm' | 'awaits' | 'secrets' | 'sources'>> = {},
): EnvoyResource {
  // The bytes name the resource, as real ones do: state of the world has no other place for it.
  const bytes = Buffer.from(`${name}=${text}`)
  return { typeUrl: typeUrls[type], scope: 'a', name, version: contentVersion(bytes), bytes, sources: [], ...more }
}

/** One collection per type, in a scheduler of their own. */
export class XdsSources {
  readonly scheduler: Scheduler
  readonly collections: Record<TypeName, Source<string, EnvoyResource>>

  constructor() {
    this.scheduler = new Scheduler({ rethrow: true })
    const source = (name: string) => this.scheduler.source<string, EnvoyResource>(name)
    this.collections = {
      cluster: source('clusters'),
      endpoint: source('endpoints'),
      secret: source('secrets'),
      extension: source('extensions'),
      listener: source('listeners'),
      route: source('routes'),
      scopedRoute: source('scoped-routes'),
    }
  }

  /** One batch. */
  put(...resources: readonly EnvoyResource[]): void {
    this.change(resources, [])
  }

  /** One batch of additions, changes and removals. */
  change(put: readonly EnvoyResource[], remove: readonly (readonly [TypeName, string, scope?: string])[]): void {
    this.scheduler.batch(() => {
      for (const resource of put) {
        this.collections[typeNameOf(resource.typeUrl)].set(resourceKey(resource.scope, resource.name), resource)
      }
      for (const [type, name, scope] of remove) this.collections[type].delete(resourceKey(scope ?? 'a', name))
    })
  }
}

function typeNameOf(typeUrl: string): TypeName {
  const found = Object.entries(typeUrls).find(([, url]) => url === typeUrl)
  if (found === undefined) throw new Error(`no such type: ${typeUrl}`)
  return found[0] as TypeName
}

/** A response as a proxy would read it: names to versions (delta) or to the text of their bytes (sotw). */
export interface SeenResponse {
  readonly type: TypeName | string
  readonly nonce: string
  /** In the order of the message. */
  readonly names: readonly string[]
  readonly texts: Readonly<Record<string, string>>
  readonly versions: Readonly<Record<string, string>>
  readonly removed: readonly string[]
  /** State of the world. */
  readonly version: string
  readonly bytes: number
}

/** The core of the server over fake wires and fake time: what is written is there at once. */
export class XdsBed extends XdsSources {
  readonly clock = new FakeClock()
  readonly core: XdsCore
  readonly acks: Source<string, ResourceAck>
  readonly streams: Source<string, StreamState>
  readonly logs: { readonly level: string; readonly message: string; readonly fields?: LogFields | undefined }[] = []
  readonly #tasks: (() => void)[] = []

  constructor(options: Partial<XdsServerOptions> & { readonly synced?: boolean } = {}) {
    super()
    this.acks = this.scheduler.source<string, ResourceAck>('xds.acks')
    this.streams = this.scheduler.source<string, StreamState>('xds.streams')
    const log =
      (level: string) =>
      (message: string, fields?: LogFields): void => {
        this.logs.push({ level, message, fields })
      }
    const logger: Logger = { ...silentLogger, info: log('info'), warn: log('warn'), error: log('error') }
    this.core = new XdsCore(
      {
        scheduler: this.scheduler,
        collections: this.collections,
        authenticator: createTokenAuthenticator(() => new Map(['a', 'b'].map((scope) => [scope, `token-${scope}`]))),
        logger,
        clock: this.clock,
        defer: (run) => this.#tasks.push(run),
        ...options,
      },
      this.acks,
      this.streams,
    )
    if (options.synced !== false) this.core.markSynced()
  }

  /** Runs what was deferred, and what that defers. */
  settle(): void {
    for (let run = this.#tasks.shift(); run !== undefined; run = this.#tasks.shift()) run()
  }

  advance(milliseconds: number): void {
    this.settle()
    this.clock.advance(milliseconds, () => this.settle())
  }

  async connect(variant: Variant, options: ConnectOptions = {}): Promise<FakeProxy> {
    const proxy = new FakeProxy(this, variant, options)
    await proxy.admitted
    return proxy
  }

  ack(type: TypeName, name: string, scope = 'a'): ResourceAck | undefined {
    return this.acks.get(ackKey(typeUrls[type], scope, name))
  }
}

interface ConnectOptions {
  readonly token?: string
  readonly nodeId?: string
  readonly certificateNames?: readonly string[]
}

/** The far end of one stream, worked by hand. */
export class FakeProxy {
  readonly variant: Variant
  readonly responses: SeenResponse[] = []
  readonly admitted: Promise<void>
  readonly nodeId: string
  session: Session | undefined
  refused: string | undefined
  ended: { readonly code: number; readonly details: string } | undefined
  isCut = false
  /** Called as the server writes, whenever that is read. */
  onWrite: (response: SeenResponse) => void = () => {}
  /** While true, what is written stays unread. */
  isStopped = false
  #unread: (() => void)[] = []
  #drain: () => void = () => {}
  #isFirst = true
  readonly #bed: XdsBed

  constructor(bed: XdsBed, variant: Variant, options: ConnectOptions) {
    this.#bed = bed
    this.variant = variant
    this.nodeId = options.nodeId ?? 'node-1'
    const peer: Peer = {
      metadata: (key) => (key === 'authorization' ? [`Bearer ${options.token ?? 'token-a'}`] : []),
      certificateNames: options.certificateNames ?? [],
    }
    this.admitted = bed.core.admit({ wire: this.#wire(), variant, peer, address: 'test' }).then((admission) => {
      if ('refused' in admission) this.refused = admission.refused
      else this.session = admission.session
    })
  }

  #wire(): Wire {
    return {
      write: (message, flushed) => {
        const response = this.#decode(message.encode())
        this.onWrite(response)
        const read = (): void => {
          this.responses.push(response)
          flushed()
        }
        if (!this.isStopped) {
          read()
          return true
        }
        this.#unread.push(read)
        return this.#unread.length < 16
      },
      onDrain: (run) => {
        this.#drain = run
      },
      end: (code, details) => {
        this.ended = { code, details }
      },
      cut: () => {
        this.isCut = true
      },
    }
  }

  /** Reads up to `count` messages that were written while it was stopped. */
  read(count: number): void {
    for (const read of this.#unread.splice(0, count)) read()
    if (this.#unread.length === 0) this.#drain()
  }

  get unread(): number {
    return this.#unread.length
  }

  #decode(bytes: Uint8Array): SeenResponse {
    return this.variant === 'delta' ? decodeDelta(bytes) : decodeSotw(bytes)
  }

  delta(type: TypeName | string, fields: Omit<envoy.service.discovery.v3.DeltaDiscoveryRequest, 'typeUrl'> = {}): void {
    const node = this.#isFirst ? { node: { id: this.nodeId } } : {}
    this.#isFirst = false
    const message = { typeUrl: urlOf(type), ...node, ...fields }
    void this.session?.receive(envoy.service.discovery.v3.DeltaDiscoveryRequest.encode(message).finish())
  }

  sotw(type: TypeName | string, fields: Omit<envoy.service.discovery.v3.DiscoveryRequest, 'typeUrl'> = {}): void {
    const node = this.#isFirst ? { node: { id: this.nodeId } } : {}
    this.#isFirst = false
    const message = { typeUrl: urlOf(type), ...node, ...fields }
    void this.session?.receive(envoy.service.discovery.v3.DiscoveryRequest.encode(message).finish())
  }

  /** Subscribes in the words of the variant; delta: adds, sotw: the whole list. */
  subscribe(type: TypeName | string, ...names: readonly string[]): void {
    if (this.variant === 'delta') this.delta(type, { resourceNamesSubscribe: names })
    else {
      this.sotwNames.set(type, names)
      this.sotw(type, { resourceNames: names, responseNonce: this.lastNonce.get(type) ?? '' })
    }
  }

  /** By type: of the newest response that was taken. */
  readonly lastNonce = new Map<string, string>()
  /** Names that sotw answers repeat. */
  readonly sotwNames = new Map<string, readonly string[]>()

  ack(response: SeenResponse): void {
    if (this.variant === 'delta') this.delta(response.type, { responseNonce: response.nonce })
    else {
      const resourceNames = this.sotwNames.get(response.type) ?? []
      this.sotw(response.type, { responseNonce: response.nonce, versionInfo: response.version, resourceNames })
    }
  }

  nack(response: SeenResponse, message = 'refused'): void {
    const errorDetail = { code: 13, message }
    if (this.variant === 'delta') this.delta(response.type, { responseNonce: response.nonce, errorDetail })
    else {
      const resourceNames = this.sotwNames.get(response.type) ?? []
      this.sotw(response.type, { responseNonce: response.nonce, resourceNames, errorDetail })
    }
  }

  /** Lets the server work, and returns what was received since the last time. */
  take(): SeenResponse[] {
    this.#bed.settle()
    for (const { type, nonce } of this.responses) this.lastNonce.set(type, nonce)
    return this.responses.splice(0)
  }

  /** Takes and accepts until nothing more comes. */
  takeAll(): SeenResponse[] {
    const all: SeenResponse[] = []
    for (let some = this.take(); some.length > 0; some = this.take()) {
      all.push(...some)
      for (const response of some) this.ack(response)
    }
    return all
  }

  disconnect(): void {
    this.session?.close()
    this.#bed.settle()
  }
}

function urlOf(type: TypeName | string): string {
  return Object.hasOwn(typeUrls, type) ? typeUrls[type as TypeName] : type
}

function nameOfUrl(url: string | undefined): TypeName | string {
  return Object.entries(typeUrls).find(([, candidate]) => candidate === url)?.[0] ?? url ?? ''
}

function decodeDelta(bytes: Uint8Array): SeenResponse {
  const message = envoy.service.discovery.v3.DeltaDiscoveryResponse.decode(bytes)
  const resources = message.resources ?? []
  return {
    type: nameOfUrl(message.typeUrl),
    nonce: message.nonce ?? '',
    names: resources.map((r) => r.name ?? ''),
    texts: Object.fromEntries(
      resources.map((r) => [r.name, splitText(Buffer.from(r.resource?.value ?? []).toString())[1]]),
    ),
    versions: Object.fromEntries(resources.map((r) => [r.name, r.version ?? ''])),
    removed: [...(message.removedResources ?? [])],
    version: '',
    bytes: bytes.length,
  }
}

function splitText(text: string): readonly [name: string, text: string] {
  return [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]
}

function decodeSotw(bytes: Uint8Array): SeenResponse {
  const message = envoy.service.discovery.v3.DiscoveryResponse.decode(bytes)
  const resources = (message.resources ?? []).map((any) => Buffer.from(any.value ?? []).toString())
  const split = resources.map(splitText)
  return {
    type: nameOfUrl(message.typeUrl),
    nonce: message.nonce ?? '',
    names: split.map(([name]) => name),
    texts: Object.fromEntries(split),
    versions: {},
    removed: [],
    version: message.versionInfo ?? '',
    bytes: bytes.length,
  }
}
