import type { ControlPlane } from './control-plane.ts'
import type { ObjectSink } from './providers/object-sink.ts'
import { sourcesByKind } from './sources.ts'

/** Puts what a provider finds into the sources, one batch for each set of changes. */
export function createSink({ scheduler, sources }: Pick<ControlPlane, 'scheduler' | 'sources'>): ObjectSink {
  const sourceOf = sourcesByKind(sources)
  return {
    apply(changes) {
      scheduler.batch(() => {
        for (const { kind, key, object } of changes) {
          const source = sourceOf(kind)
          if (object === undefined) source.delete(key)
          else source.set(key, object)
        }
      })
    },
  }
}
