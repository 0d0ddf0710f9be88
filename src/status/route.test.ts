import { describe, expect, test } from 'vitest'
import {
  findCondition,
  GraphFixture,
  gatewayClassYaml,
  gatewayYaml,
  httpRouteYaml,
  serviceYaml,
  summarize,
  testControllerName,
} from '../testing/builders.ts'

const gateway = gatewayClassYaml + gatewayYaml('shop/edge', '[{name: web, port: 80, protocol: HTTP}]')
const parents = '  parentRefs: [{name: edge}]\n'
const route = (spec: string, options = {}) => httpRouteYaml('shop/cart', parents + spec, options)
const conditionsOf = (fixture: GraphFixture, index = 0) => fixture.parentStatus('shop/cart', index).conditions
const toService = (name: string) => `  rules: [{backendRefs: [{name: ${name}, port: 80}]}]`

describe('status.parents', () => {
  test('has an entry with our controller name and the reference as it is', () => {
    const fixture = new GraphFixture(gateway + serviceYaml('shop/cart') + route(toService('cart')))
    expect(fixture.routeStatus('shop/cart')?.parents).toMatchObject([
      {
        parentRef: { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'edge' },
        controllerName: testControllerName,
      },
    ])
    expect(fixture.parentStatus('shop/cart').parentRef).not.toHaveProperty('namespace')
    expect(summarize(conditionsOf(fixture))).toEqual(['Accepted=True Accepted', 'ResolvedRefs=True ResolvedRefs'])
  })

  test('is not there at all for a route that names nothing of ours', () => {
    const fixture = new GraphFixture(gateway + httpRouteYaml('shop/cart', '  parentRefs: [{name: gone}]'))
    expect(fixture.routeStatus('shop/cart')).toBeUndefined()
  })

  test('has no entry for a Gateway that does not exist, and keeps the order of the others', () => {
    const fixture = new GraphFixture(
      gateway +
        gatewayYaml('shop/alpha', '[{name: web, port: 80, protocol: HTTP}]') +
        httpRouteYaml('shop/cart', '  parentRefs: [{name: edge}, {name: gone}, {name: alpha}]'),
    )
    expect(fixture.routeStatus('shop/cart')?.parents.map((p) => p.parentRef.name)).toEqual(['edge', 'alpha'])
  })

  test('has an entry for each reference to one Gateway, judged alone', () => {
    const fixture = new GraphFixture(
      gateway +
        httpRouteYaml('shop/cart', '  parentRefs: [{name: edge, sectionName: web}, {name: edge, sectionName: gone}]'),
    )
    expect(fixture.routeStatus('shop/cart')?.parents.map((p) => summarize(p.conditions)[0])).toEqual([
      'Accepted=True Accepted',
      'Accepted=False NoMatchingParent',
    ])
  })

  test('keeps more than ten entries in the order of the references', () => {
    const names = Array.from({ length: 12 }, (_, i) => `edge-${i}`)
    const fixture = new GraphFixture(
      gatewayClassYaml +
        names.map((n) => gatewayYaml(`shop/${n}`, '[{name: web, port: 80, protocol: HTTP}]')).join('') +
        httpRouteYaml('shop/cart', `  parentRefs: [${names.map((n) => `{name: ${n}}`).join(', ')}]`),
    )
    expect(fixture.routeStatus('shop/cart')?.parents.map((p) => p.parentRef.name)).toEqual(names)
  })
})

describe('ResolvedRefs', () => {
  test('tells of a missing Service in the words that people search for, and clears when it comes', () => {
    const fixture = new GraphFixture(gateway + route(toService('cart'), { generation: 5 }))
    expect(summarize(conditionsOf(fixture))).toEqual(['Accepted=True Accepted', 'ResolvedRefs=False BackendNotFound'])
    expect(findCondition(conditionsOf(fixture), 'ResolvedRefs')).toMatchObject({
      message: 'Service "cart" not found',
      observedGeneration: 5,
    })
    fixture.apply(serviceYaml('shop/cart'))
    expect(findCondition(conditionsOf(fixture), 'ResolvedRefs').status).toBe('True')
  })

  test('names the field when the route has several rules', () => {
    const rules = '  rules: [{backendRefs: [{name: cart, port: 80}]}, {backendRefs: [{name: gone, port: 80}]}]'
    const fixture = new GraphFixture(gateway + serviceYaml('shop/cart') + route(rules))
    expect(findCondition(conditionsOf(fixture), 'ResolvedRefs').message).toBe(
      'spec.rules[1].backendRefs[0]: Service "gone" not found',
    )
  })

  test('ranks what is forbidden before what is unknown before what is missing', () => {
    const refs = ['{name: gone, port: 80}', '{kind: Pod, name: cart}', '{name: cart, namespace: other, port: 80}']
    const reasonOf = (count: number) => {
      const rules = `  rules: [{backendRefs: [${refs.slice(0, count).join(', ')}]}]`
      return findCondition(conditionsOf(new GraphFixture(gateway + route(rules))), 'ResolvedRefs').reason
    }
    expect([1, 2, 3].map(reasonOf)).toEqual(['BackendNotFound', 'InvalidKind', 'RefNotPermitted'])
  })

  test('is told to every parent', () => {
    const fixture = new GraphFixture(
      gateway +
        gatewayYaml('shop/alpha', '[{name: web, port: 80, protocol: HTTP}]') +
        httpRouteYaml('shop/cart', `  parentRefs: [{name: edge}, {name: alpha}]\n${toService('gone')}`),
    )
    for (const index of [0, 1])
      expect(summarize(conditionsOf(fixture, index))[1]).toBe('ResolvedRefs=False BackendNotFound')
  })

  test('is False and Accepted is False where both are', () => {
    const fixture = new GraphFixture(
      gateway + httpRouteYaml('shop/cart', `  parentRefs: [{name: edge, sectionName: gone}]\n${toService('gone')}`),
    )
    expect(summarize(conditionsOf(fixture))).toEqual([
      'Accepted=False NoMatchingParent',
      'ResolvedRefs=False BackendNotFound',
    ])
  })
})

describe('PartiallyInvalid', () => {
  const bad = '{path: {type: RegularExpression, value: "/("}}'

  test('is there only while some match cannot be served, and its message begins as the specification wants', () => {
    const fixture = new GraphFixture(gateway + route(`  rules: [{matches: [${bad}, {path: {value: /ok}}]}]`))
    expect(summarize(conditionsOf(fixture))).toEqual([
      'Accepted=True Accepted',
      'ResolvedRefs=True ResolvedRefs',
      'PartiallyInvalid=True UnsupportedValue',
    ])
    expect(findCondition(conditionsOf(fixture), 'PartiallyInvalid').message).toMatch(/^Dropped Rule/)
    fixture.apply(route('  rules: [{matches: [{path: {value: /ok}}]}]'))
    expect(summarize(conditionsOf(fixture))).toEqual(['Accepted=True Accepted', 'ResolvedRefs=True ResolvedRefs'])
  })

  test('is not told where nothing at all can be served: then the route is not accepted', () => {
    const fixture = new GraphFixture(gateway + route(`  rules: [{matches: [${bad}]}]`))
    expect(summarize(conditionsOf(fixture))).toEqual([
      'Accepted=False UnsupportedValue',
      'ResolvedRefs=True ResolvedRefs',
    ])
    expect(findCondition(conditionsOf(fixture), 'Accepted').message).not.toContain('Dropped Rule')
  })
})

test('every condition carries the generation that it was made from', () => {
  const fixture = new GraphFixture(gateway + route(toService('gone'), { generation: 2 }))
  expect(conditionsOf(fixture).map((c) => c.observedGeneration)).toEqual([2, 2])
  fixture.apply(route(toService('gone'), { generation: 3 }))
  expect(conditionsOf(fixture).map((c) => c.observedGeneration)).toEqual([3, 3])
})

test('a message stays within the limit of a condition, however many rules are wrong', () => {
  const long = 'x'.repeat(200)
  const rules = Array.from({ length: 16 }, (_, i) => `{backendRefs: [{name: ${long}-${i}, port: 80}]}`)
  const fixture = new GraphFixture(gateway + route(`  rules: [${rules.join(', ')}]`))
  expect(findCondition(conditionsOf(fixture), 'ResolvedRefs').message).toHaveLength(1024)
})

test('an edit of another route does not make a new status', () => {
  const fixture = new GraphFixture(gateway + serviceYaml('shop/cart') + route(toService('cart')))
  const before = fixture.routeStatus('shop/cart')
  fixture.apply(httpRouteYaml('shop/other', `${parents}${toService('cart')}`))
  expect(fixture.routeStatus('shop/cart')).toBe(before)
})
