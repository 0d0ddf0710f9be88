import { describe, expect, test } from 'vitest'
import { GraphFixture, gatewayYaml, testControllerName } from '../testing/builders.ts'

const classYaml = (name: string, spec: string) => `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ${name}, generation: 4}
spec: ${spec}
---
`
const configMapYaml = (name: string, data: string, namespace = 'gatewright') => `
apiVersion: v1
kind: ConfigMap
metadata: {name: ${name}, namespace: ${namespace}}
data: ${data}
---
`
const withParameters = (ref: string) =>
  classYaml('gatewright', `{controllerName: ${testControllerName}, parametersRef: ${ref}}`)
const look = '{group: "", kind: ConfigMap, name: look, namespace: gatewright}'
const classOf = (fixture: GraphFixture) => {
  const node = fixture.graph.gatewayClasses.get('/gatewright' as never)
  expect(node).toBeDefined()
  return node
}

describe('a GatewayClass', () => {
  test('of another controller is not ours: no node, no status', () => {
    const fixture = new GraphFixture(classYaml('foreign', '{controllerName: example.com/other}'))
    expect(fixture.graph.gatewayClasses.size).toBe(0)
    expect(fixture.statuses.gatewayClasses.size).toBe(0)
  })

  test('may have any of several controller names, as a drop-in for another controller', () => {
    const names = ['gatewright.dev/gateway-controller', 'example.com/other']
    const fixture = new GraphFixture(
      classYaml('a', `{controllerName: ${names[0]}}`) + classYaml('b', `{controllerName: ${names[1]}}`),
      names,
    )
    expect([...fixture.graph.gatewayClasses.entries()].map(([key]) => key).sort()).toEqual(['/a', '/b'])
  })

  test('is quiet unless told', () => {
    const fixture = new GraphFixture(classYaml('gatewright', `{controllerName: ${testControllerName}}`))
    expect(classOf(fixture)).toMatchObject({ settings: { profile: { headers: 'quiet' } }, problems: [] })
  })

  test('takes its profile from a ConfigMap, live', () => {
    const fixture = new GraphFixture(withParameters(look) + configMapYaml('look', '{headers: verbose}'))
    expect(classOf(fixture)).toMatchObject({ settings: { profile: { headers: 'verbose' } }, problems: [] })
    fixture.apply(configMapYaml('look', '{headers: quiet}'))
    expect(classOf(fixture)).toMatchObject({ settings: { profile: { headers: 'quiet' } }, problems: [] })
    fixture.apply(configMapYaml('look', '{}'))
    expect(classOf(fixture)).toMatchObject({ settings: { profile: { headers: 'quiet' } }, problems: [] })
  })

  test.each([
    ['a ConfigMap that is missing', '', look, 'ConfigMap "gatewright/look" not found'],
    [
      'a word that is unknown',
      configMapYaml('look', '{headers: loud}'),
      look,
      'ConfigMap "gatewright/look" has headers: "loud": use quiet or verbose',
    ],
    [
      'a key that is unknown',
      configMapYaml('look', '{colour: red}'),
      look,
      'ConfigMap "gatewright/look" has the unknown key "colour": the known keys are headers, internalAddresses, replicas, minReplicas, maxReplicas, targetCPUUtilization, maxUnavailable, serviceType, serviceAnnotations, cpuRequest, cpuLimit, memoryRequest, memoryLimit, concurrency, drainSeconds, logLevel, envoyImage',
    ],
    [
      'a key that every object inherits',
      configMapYaml('look', '{constructor: verbose}'),
      look,
      'ConfigMap "gatewright/look" has the unknown key "constructor": the known keys are headers, internalAddresses, replicas, minReplicas, maxReplicas, targetCPUUtilization, maxUnavailable, serviceType, serviceAnnotations, cpuRequest, cpuLimit, memoryRequest, memoryLimit, concurrency, drainSeconds, logLevel, envoyImage',
    ],
    [
      'another kind',
      '',
      '{group: example.com, kind: Profile, name: look}',
      'parametersRef names a Profile of group example.com: use a ConfigMap',
    ],
    [
      'no namespace',
      configMapYaml('look', '{headers: verbose}'),
      '{group: "", kind: ConfigMap, name: look}',
      'parametersRef needs the namespace of the ConfigMap',
    ],
  ])('with parametersRef to %s says so and keeps serving with the defaults', (_, objects, ref, message) => {
    const fixture = new GraphFixture(
      objects + withParameters(ref) + gatewayYaml('shop/edge', '[{name: web, port: 80, protocol: HTTP}]'),
    )
    expect(classOf(fixture)).toMatchObject({
      settings: { profile: { headers: 'quiet' } },
      problems: [{ on: 'Accepted', reason: 'InvalidParameters', message, path: 'spec.parametersRef' }],
    })
    expect(fixture.gateway('shop/edge').listeners[0]?.verdict).toBe('accepted')
  })
})
