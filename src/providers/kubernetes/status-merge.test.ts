import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from './json.ts'
import { isSettled } from './status-difference.ts'
import { type MergeContext, mergeStatus } from './status-merge.ts'
import { gatewayClassShape, gatewayShape, policyShape, routeShape } from './status-shape.ts'

const ours = 'gatewright.dev/gateway-controller'
const context: MergeContext = { controllerName: ours, namespace: 'shop', now: '2026-11-21T10:00:00Z' }
const earlier = '2026-11-20T00:00:00Z'

const desire = (type: string, status = 'True', more: object = {}) => ({
  type,
  status,
  reason: type,
  message: '',
  observedGeneration: 2,
  ...more,
})
const live = (type: string, status = 'True', more: object = {}) => ({
  ...desire(type, status),
  lastTransitionTime: earlier,
  ...more,
})
const parent = (name: string, conditions: readonly object[] = [], more: object = {}) => ({
  parentRef: { group: 'gateway.networking.k8s.io', kind: 'Gateway', name },
  controllerName: ours,
  conditions,
  ...more,
})

describe('conditions', () => {
  const merge = (before: readonly object[], wanted: readonly object[]) =>
    mergeStatus(gatewayShape, { conditions: before }, { conditions: wanted }, context).status['conditions']

  test('a condition whose status stays keeps its lastTransitionTime, whatever else of it changes', () => {
    expect(merge([live('Accepted')], [desire('Accepted', 'True', { reason: 'Other', observedGeneration: 3 })])).toEqual(
      [live('Accepted', 'True', { reason: 'Other', observedGeneration: 3 })],
    )
  })

  test('a condition whose status changes, or that is new, changed now', () => {
    expect(merge([live('Accepted')], [desire('Accepted', 'False'), desire('Programmed')])).toEqual([
      live('Accepted', 'False', { lastTransitionTime: context.now }),
      live('Programmed', 'True', { lastTransitionTime: context.now }),
    ])
  })

  test('what the CRD writes in before anybody has spoken did not happen in 1970', () => {
    const waiting = live('Accepted', 'Unknown', { lastTransitionTime: '1970-01-01T00:00:00Z' })
    expect(merge([waiting], [desire('Accepted', 'Unknown')])).toEqual([
      live('Accepted', 'Unknown', { lastTransitionTime: context.now }),
    ])
  })

  test('types of others stay where and as they are; types of ours that are not wanted go', () => {
    const foreign = { type: 'example.com/Stale', status: 'True', reason: 'X', odd: { nested: [1] } }
    const before = [foreign, live('ResolvedRefs', 'False'), live('Accepted')]
    expect(merge(before, [desire('Accepted')])).toEqual([foreign, live('Accepted')])
  })

  test('no more than eight, and those of others first', () => {
    const foreign = Array.from({ length: 7 }, (_, i) => live(`example.com/T${i}`))
    const { status, clipped } = mergeStatus(
      gatewayShape,
      { conditions: foreign },
      { conditions: [desire('Accepted'), desire('Programmed')] },
      context,
    )
    const types = (status['conditions'] as { type: string }[]).map((c) => c.type)
    expect(types).toEqual([...foreign.map((c) => c.type), 'Accepted'])
    expect(clipped).toEqual(['conditions: 1 of 2 left out'])
  })
})

describe('a status with one owner', () => {
  test('listeners are told apart by name, and conditions of others in them stay', () => {
    const before = {
      conditions: [],
      listeners: [
        { name: 'gone', attachedRoutes: 3, conditions: [live('example.com/T')] },
        { name: 'http', attachedRoutes: 1, later: 'field', conditions: [live('example.com/T'), live('Accepted')] },
      ],
    }
    const wanted = {
      conditions: [],
      listeners: [
        { name: 'new', attachedRoutes: 0, conditions: [] },
        { name: 'http', attachedRoutes: 2, conditions: [desire('Accepted')] },
      ],
    }
    expect(mergeStatus(gatewayShape, before, wanted, context).status['listeners']).toEqual([
      { name: 'http', attachedRoutes: 2, later: 'field', conditions: [live('example.com/T'), live('Accepted')] },
      { name: 'new', attachedRoutes: 0, conditions: [] },
    ])
  })

  test('listeners that only changed places are no change', () => {
    const listener = (name: string) => ({ name, conditions: [] })
    const before = { conditions: [], listeners: [listener('a'), listener('b')] }
    const wanted = { conditions: [], listeners: [listener('b'), listener('a')] }
    expect(mergeStatus(gatewayShape, before, wanted, context).status).toEqual(before)
  })

  test('fields that we know nothing of stay', () => {
    const { status } = mergeStatus(
      gatewayClassShape,
      { other: 1, conditions: [] },
      { conditions: [], supportedFeatures: [{ name: 'Gateway' }] },
      context,
    )
    expect(status).toEqual({ other: 1, conditions: [], supportedFeatures: [{ name: 'Gateway' }] })
  })

  test('an object that is not ours any more is left to its next owner', () => {
    const before = { conditions: [live('Accepted')] }
    expect(mergeStatus(gatewayShape, before, undefined, context).status).toBe(before)
  })
})

describe('a status with entries of several', () => {
  const foreign = { ...parent('theirs', [live('Accepted')]), controllerName: 'example.com/c', odd: ['kept'] }
  const parents = (before: unknown, wanted: readonly object[] | undefined) =>
    mergeStatus(routeShape, { parents: before }, wanted && { parents: wanted }, context).status['parents']

  test('our entries are replaced in their places, those of others stay as they are', () => {
    const before = [parent('a', [live('Accepted')]), foreign, parent('b', [live('Accepted')])]
    const wanted = [parent('b', [desire('Accepted', 'False')]), parent('c', [desire('Accepted')])]
    expect(parents(before, wanted)).toEqual([
      foreign,
      parent('b', [live('Accepted', 'False', { lastTransitionTime: context.now })]),
      parent('c', [live('Accepted', 'True', { lastTransitionTime: context.now })]),
    ])
  })

  test('the last one of ours goes when nothing of the object is ours any more', () => {
    expect(parents([parent('a'), foreign], undefined)).toEqual([foreign])
    expect(parents([parent('a')], undefined)).toEqual([])
  })

  test('an object that nobody has written to is not touched for nothing', () => {
    expect(mergeStatus(routeShape, {}, { parents: [] }, context).status).toEqual({})
  })

  test('a reference is the same with its defaults filled in, and another one with another section or port', () => {
    const refs = [
      { name: 'a' },
      { name: 'a', sectionName: 'http' },
      { name: 'a', port: 80 },
      { name: 'a', namespace: 'other' },
    ]
    const wanted = refs.map((parentRef) => ({ ...parent(''), parentRef, conditions: [desire('Accepted')] }))
    const before = refs.map((ref) => ({
      ...parent(''),
      parentRef: { group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace: 'shop', ...ref },
      conditions: [live('Accepted')],
    }))
    const merged = parents(before, wanted) as (typeof before)[number][]
    expect(merged.map((entry) => entry.conditions)).toEqual(before.map((entry) => entry.conditions))
    expect(merged.map((entry) => entry.parentRef)).toEqual(refs)
  })

  test('a second entry of ours for one reference goes', () => {
    expect(parents([parent('a'), parent('a'), foreign], [parent('a')])).toEqual([parent('a'), foreign])
  })

  test('at most 32 parents and 16 ancestors, of which those of others stay', () => {
    const theirs = Array.from({ length: 31 }, (_, i) => ({ ...parent(`t${i}`), controllerName: 'example.com/c' }))
    const { status, clipped } = mergeStatus(
      routeShape,
      { parents: theirs },
      { parents: [parent('a'), parent('b')] },
      context,
    )
    expect(status['parents']).toEqual([...theirs, parent('a')])
    expect(clipped).toEqual(['parents: 1 of 2 left out'])
    const ancestors = Array.from({ length: 20 }, (_, i) => ({ ancestorRef: { name: `a${i}` }, controllerName: ours }))
    const policy = mergeStatus(policyShape, {}, { ancestors }, context)
    expect(policy.status['ancestors']).toHaveLength(16)
  })
})

test('texts and lists are cut to what the API server takes', () => {
  const wanted = {
    conditions: [desire('Accepted', 'True', { message: `${'x'.repeat(32_767)}\u{1f600}`, reason: 'R'.repeat(2_000) })],
    addresses: Array.from({ length: 17 }, (_, i) => ({ value: `10.0.0.${i}` })),
    listeners: [
      { name: 'l', supportedKinds: Array.from({ length: 9 }, (_, i) => ({ kind: `K${i}` })), conditions: [] },
    ],
  }
  const { status, clipped } = mergeStatus(gatewayShape, {}, wanted, context)
  const [condition] = status['conditions'] as { message: string; reason: string }[]
  // Half of the last character would have been left.
  expect(condition?.message).toBe('x'.repeat(32_767))
  expect(condition?.reason).toHaveLength(1_024)
  expect(status['addresses']).toHaveLength(16)
  expect((status['listeners'] as { supportedKinds: unknown[] }[])[0]?.supportedKinds).toHaveLength(8)
  expect(clipped).toHaveLength(4)
})

describe('whatever the API server has', () => {
  const name = fc.constantFrom('a', 'b', '__proto__', 'constructor')
  const condition = fc.record({
    type: fc.constantFrom('Accepted', 'Programmed', 'ResolvedRefs', 'example.com/T', '__proto__'),
    status: fc.constantFrom('True', 'False', 'Unknown'),
    reason: name,
    lastTransitionTime: fc.constantFrom(earlier, '1970-01-01T00:00:00Z'),
  })
  const conditions = fc.uniqueArray(condition, { selector: (c) => c.type, maxLength: 5 })
  const entry = (controller: fc.Arbitrary<string>) =>
    fc.record({
      parentRef: fc.record({ name, sectionName: name }, { requiredKeys: ['name'] }),
      controllerName: controller,
      conditions,
    })
  const desiredRoute = fc.record({ parents: fc.array(entry(fc.constant(ours)), { maxLength: 4 }) })
  const liveRoute = fc.record(
    { parents: fc.array(entry(fc.constantFrom(ours, 'example.com/c')), { maxLength: 5 }), other: fc.jsonValue() },
    { requiredKeys: [] },
  )
  const owner = fc.record({
    conditions,
    listeners: fc.uniqueArray(fc.record({ name, conditions }), { selector: (l) => l.name, maxLength: 3 }),
  })

  test('merging twice is merging once', () => {
    const later: MergeContext = { ...context, now: '2026-11-21T11:00:00Z' }
    const isStable = (shape: typeof routeShape | typeof gatewayShape, before: object, wanted: object | undefined) => {
      const once = mergeStatus(shape, before as JsonObject, wanted as JsonObject | undefined, context).status
      const again = mergeStatus(shape, JSON.parse(JSON.stringify(once)), wanted as JsonObject | undefined, later).status
      expect(isSettled(again, once)).toBe(true)
    }
    fc.assert(
      fc.property(liveRoute, fc.option(desiredRoute, { nil: undefined }), (before, wanted) =>
        isStable(routeShape, before, wanted),
      ),
    )
    fc.assert(fc.property(owner, owner, (before, wanted) => isStable(gatewayShape, before, wanted)))
  })

  test('entries and conditions of others come out as they went in, in their order', () => {
    fc.assert(
      fc.property(liveRoute, fc.option(desiredRoute, { nil: undefined }), (before, wanted) => {
        const merged = mergeStatus(routeShape, before as JsonObject, wanted as JsonObject | undefined, context).status
        const theirs = (status: JsonObject) =>
          ((status['parents'] ?? []) as { controllerName: string }[]).filter((p) => p.controllerName !== ours)
        expect(theirs(merged)).toEqual(theirs(before as JsonObject))
      }),
    )
    fc.assert(
      fc.property(owner, owner, (before, wanted) => {
        const merged = mergeStatus(gatewayShape, before as JsonObject, wanted as unknown as JsonObject, context).status
        const wantedTypes = new Set<string>(wanted.conditions.map((c) => c.type))
        const isTheirs = (c: { type: string }) => !gatewayShape.conditionTypes.has(c.type) && !wantedTypes.has(c.type)
        expect((merged['conditions'] as { type: string }[]).filter(isTheirs)).toEqual(
          before.conditions.filter(isTheirs),
        )
      }),
    )
  })

  test('it may be anything at all', () => {
    const wanted = { conditions: [desire('Accepted')], listeners: [{ name: 'a', conditions: [desire('Accepted')] }] }
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom('conditions', 'listeners', 'parents'), fc.jsonValue()), (before) => {
        mergeStatus(gatewayShape, before, wanted, context)
        mergeStatus(routeShape, before, { parents: [parent('a', [desire('Accepted')])] }, context)
        expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
      }),
    )
  })
})
