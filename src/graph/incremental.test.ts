import fc from 'fast-check'
import { expect, test } from 'vitest'
import { silentLogger } from '../base/logger.ts'
import { bindToOwnPorts } from '../bind-to-own-ports.ts'
import type { Collection } from '../collections/collection.ts'
import { type ControlPlane, createOfflineControlPlane } from '../control-plane.ts'
import { type KubernetesObject, kinds } from '../gatewayapi/kinds.ts'
import { createSink } from '../object-sink.ts'
import { applyObjects, keyOf, testControllerName } from '../testing/builders.ts'
import { objectForms as forms } from '../testing/object-forms.ts'

/* The whole of it, because only the whole is read: the graph, Envoy's resources, statuses, what has to run. */

/** -1: it is not there. */
type Form = number
type Edit = { readonly object: number; readonly form: Form }

const formOf = (object: number) => fc.integer({ min: -1, max: (forms[object]?.length ?? 0) - 1 })
/** An object takes one of its forms, or goes. */
const edit = fc
  .nat(forms.length - 1)
  .chain((object) => fc.record({ object: fc.constant(object), form: formOf(object) }))
/** Nearly everything is there at first: objects by themselves are worth little. */
const beginning = fc.tuple(
  ...forms.map((_, object) => fc.record({ object: fc.constant(object), form: formOf(object) })),
)
const history = fc
  .tuple(beginning, fc.array(fc.array(edit, { minLength: 1, maxLength: 4 }), { maxLength: 20 }))
  .map(([first, batches]) => [first, ...batches])

function create(): ControlPlane {
  const controlPlane = createOfflineControlPlane({
    controllerNames: [testControllerName],
    logger: silentLogger,
    rethrow: true,
  })
  bindToOwnPorts(controlPlane)
  return controlPlane
}

function isCollection(value: unknown): value is Collection<string, unknown> {
  return typeof value === 'object' && value !== null && 'entries' in value && 'subscribe' in value
}

/** Every collection that others can read, with its content sorted by key. */
function snapshot(value: unknown): unknown[] {
  if (isCollection(value)) return [[value.name, [...value.entries()].sort(([a], [b]) => (a < b ? -1 : 1))]]
  // An index has the values of a collection that is here already.
  return typeof value === 'object' && value !== null && !('lookup' in value)
    ? Object.values(value).flatMap(snapshot)
    : []
}

const outputOf = ({ graph, resources, statuses, fleets, selectorServices }: ControlPlane) =>
  snapshot({ graph, resources, statuses, fleets, selectorServices })

function play(batches: readonly (readonly Edit[])[]) {
  const controlPlane = create()
  const current = new Map<number, KubernetesObject>()
  for (const batch of batches) {
    controlPlane.scheduler.batch(() => {
      for (const { object, form } of batch) {
        const next = forms[object]?.[form]
        const before = current.get(object)
        if (next) {
          current.set(object, next)
          applyObjects(controlPlane, [next])
        } else if (before) {
          current.delete(object)
          remove(controlPlane, before)
        }
      }
    })
  }
  return { controlPlane, objects: [...current.values()] }
}

function remove(controlPlane: ControlPlane, object: KubernetesObject): void {
  createSink(controlPlane).apply([{ kind: object.kind, key: keyOf(object), object: undefined }])
}

test('the histories have objects of every kind', () => {
  expect([...new Set(forms.flat().map(({ kind }) => kind))].sort()).toEqual(Object.keys(kinds).sort())
})

test('together they use everything: each collection of what is compared has content', () => {
  const filled = new Set<string>()
  for (let form = 0; form < 6; form++) {
    const controlPlane = create()
    applyObjects(
      controlPlane,
      forms.flatMap((choices) => choices[form % choices.length] ?? []),
    )
    for (const [name, content] of outputOf(controlPlane) as [string, unknown[]][])
      if (content.length > 0) filled.add(name)
  }
  const all = (outputOf(create()) as [string, unknown[]][]).map(([name]) => name)
  // A table is divided from two thousand virtual hosts on.
  expect(all.filter((name) => !filled.has(name))).toEqual(['ScopedRouteConfiguration resource'])
})

test('whatever the history, the graph, Envoy’s resources and the statuses are those of the objects that are there', () => {
  fc.assert(
    fc.property(history, fc.infiniteStream(fc.nat()), (batches, random) => {
      const { controlPlane, objects } = play(batches)
      const shuffled = objects
        .map((object) => [random.next().value as number, object] as const)
        .sort((a, b) => a[0] - b[0])
      const fresh = create()
      for (const [, object] of shuffled) applyObjects(fresh, [object])
      expect(outputOf(controlPlane)).toEqual(outputOf(fresh))
    }),
    { numRuns: 200 },
  )
})

test('taking everything away leaves nothing', () => {
  const empty = create().scheduler.retained()
  fc.assert(
    fc.property(history, (batches) => {
      const { controlPlane, objects } = play(batches)
      for (const object of objects) remove(controlPlane, object)
      expect(controlPlane.scheduler.retained()).toEqual(empty)
    }),
    { numRuns: 60 },
  )
})
