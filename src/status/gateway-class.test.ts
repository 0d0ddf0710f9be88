import { expect, test } from 'vitest'
import { findCondition, GraphFixture, gatewayClassYaml, summarize, testControllerName } from '../testing/builders.ts'

test('a GatewayClass of ours is accepted, and tells its features in the order of their names', () => {
  const status = new GraphFixture(gatewayClassYaml).classStatus('gatewright')
  expect(summarize(status.conditions)).toEqual(['Accepted=True Accepted', 'SupportedVersion=True SupportedVersion'])
  expect(status.supportedFeatures).toEqual([{ name: 'Gateway' }, { name: 'HTTPRoute' }])
})

test('a GatewayClass whose parameters are wrong is not accepted, with the reason and its generation', () => {
  const status = new GraphFixture(`
apiVersion: gateway.networking.k8s.io/v1beta1
kind: GatewayClass
metadata: {name: gatewright, generation: 9}
spec:
  controllerName: ${testControllerName}
  parametersRef: {group: "", kind: ConfigMap, name: gone, namespace: gatewright}
`).classStatus('gatewright')
  expect(findCondition(status.conditions, 'Accepted')).toEqual({
    type: 'Accepted',
    status: 'False',
    reason: 'InvalidParameters',
    message: 'ConfigMap "gatewright/gone" not found',
    observedGeneration: 9,
  })
})
