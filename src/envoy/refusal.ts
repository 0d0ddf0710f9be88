import type { Index } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import type { Refusal } from '../graph/programming.ts'
import type { ResourceAck } from '../xds/acks.ts'
import { typeUrls } from '../xds/resource.ts'
import type { ResourceVerdicts } from './programming.ts'
import type { EnvoyResources } from './resources.ts'

/** Refusals by the objects that the refused resources came from: what a NACK means for users. */
export function createRefusals(
  scheduler: Scheduler,
  resources: EnvoyResources,
  verdicts: ResourceVerdicts,
): Index<string, string, Refusal> {
  const collections = new Map([
    [typeUrls.cluster, resources.cluster],
    [typeUrls.endpoint, resources.endpoint],
    [typeUrls.secret, resources.secret],
    [typeUrls.listener, resources.listener],
    [typeUrls.route, resources.route],
    [typeUrls.scopedRoute, resources.scopedRoute],
  ] as const)
  const refusals = scheduler.deriveMany<string, ResourceAck, string, Refusal>(
    'Refusal',
    verdicts,
    function* ({ rejected }, reads, key) {
      if (rejected === undefined) return
      const end = key.indexOf('\n')
      const typeUrl = key.slice(0, end)
      const collection = collections.get(typeUrl as typeof typeUrls.cluster)
      const resource = collection && reads.get(collection, key.slice(end + 1))
      // Another version is on its way; nobody has judged it yet.
      if (resource?.version !== rejected.version) return
      const type = typeUrl.slice(typeUrl.lastIndexOf('.') + 1)
      const what = `${type} "${resource.name}"`
      if (rejected.culprits === undefined) {
        yield [key, { sources: resource.sources, message: `Envoy refused ${what}: ${rejected.message}` }] as const
        return
      }
      for (const { name, sources, message } of rejected.culprits) {
        yield [
          `${key}\n${name}`,
          { sources, message: `Envoy refused virtual host "${name}" of ${what}: ${message}` },
        ] as const
      }
    },
  )
  return scheduler.index('Refusals by object', refusals, (refusal) => refusal.sources)
}
