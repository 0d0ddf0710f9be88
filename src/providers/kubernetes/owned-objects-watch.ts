import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { gatewayUidLabel } from '../../infrastructure/labels.ts'
import { type InfrastructureKind, infrastructureResources } from '../../infrastructure/manifest.ts'
import type { ApiClient } from './api-client.ts'
import type { OwnedObjects } from './owned-objects.ts'
import { Reflector } from './reflector.ts'

export interface OwnedObjectsWatchOptions {
  readonly client: ApiClient
  readonly clock: Clock
  readonly logger: Logger
  readonly owned: OwnedObjects
  /** The whole cluster unless given. */
  readonly namespaces?: readonly string[]
}

/** Keeps {@link OwnedObjects} up to date: one watch for each kind (and namespace), of what has our label. */
export class OwnedObjectsWatch {
  readonly reflectors: readonly Reflector[]
  /**
   * Resolves when everything there is is known. What we have no right to read does not hold it up: whoever
   * writes such an object is told so then.
   */
  readonly synced: Promise<void>

  constructor({ client, clock, logger, owned, namespaces = [''] }: OwnedObjectsWatchOptions) {
    const kinds = Object.keys(infrastructureResources) as InfrastructureKind[]
    const waits: Promise<void>[] = []
    this.reflectors = kinds.flatMap((kind) =>
      namespaces.map((namespace) => {
        const { promise, resolve } = Promise.withResolvers<void>()
        waits.push(promise)
        return new Reflector({
          client,
          clock,
          logger,
          kind: `${kind} of a Gateway`,
          namespace,
          resource: infrastructureResources[kind],
          selector: { labelSelector: gatewayUidLabel },
          sink: {
            put: (_key, object) => owned.put(kind, object),
            delete: (key) => owned.delete(kind, key),
            onState: (state) => {
              if (['synced', 'forbidden', 'absent'].includes(state)) resolve()
            },
          },
        })
      }),
    )
    this.synced = Promise.all(waits).then(() => {})
  }

  start(): void {
    for (const reflector of this.reflectors) reflector.start()
  }

  async stop(): Promise<void> {
    await Promise.all(this.reflectors.map((reflector) => reflector.stop()))
  }
}
