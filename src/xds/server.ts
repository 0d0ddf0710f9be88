import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Collection, Source } from '../collections/collection.ts'
import type { Authenticator } from './authenticator.ts'
import type { EnvoyResource } from './resource.ts'

/** What the server needs of the Scheduler: sources to fill, in batches of its own. */
export interface XdsScheduler {
  source<K extends string, V>(name: string): Source<K, V>
  batch(run: () => void): void
}

/** One collection per type, keyed by `resourceKey(scope, name)`. */
export interface XdsCollections {
  readonly cluster: Collection<string, EnvoyResource>
  readonly endpoint: Collection<string, EnvoyResource>
  readonly secret: Collection<string, EnvoyResource>
  readonly listener: Collection<string, EnvoyResource>
  readonly route: Collection<string, EnvoyResource>
  readonly scopedRoute?: Collection<string, EnvoyResource>
  readonly extension?: Collection<string, EnvoyResource>
}

/** What the proxies of a scope say about one resource; key: `${typeUrl}\n${scope}\n${name}`. */
export interface ResourceAck {
  /** The newest version that at least one connected proxy of the scope has accepted. */
  readonly ackedVersion?: string
  /** The wanted version was refused; it is not sent again. */
  readonly rejected?: { readonly version: string; readonly message: string }
}

export interface XdsServerOptions {
  readonly scheduler: XdsScheduler
  readonly collections: XdsCollections
  readonly authenticator: Authenticator
  readonly logger: Logger
  readonly clock: Clock
}

export interface XdsServer {
  readonly acks: Source<string, ResourceAck>
  listen(address: string): Promise<string>
  markSynced(): void
  close(): Promise<void>
}

export function createXdsServer(_options: XdsServerOptions): XdsServer {
  throw new Error("being written")
}
