import { expect, test } from 'vitest'
import { ownApi, supportedFeatureNames } from '../gatewayapi/features.ts'
import { findCondition, GraphFixture, gatewayClassYaml, summarize, testControllerName } from '../testing/builders.ts'

test('a GatewayClass of ours is accepted, and tells its features in the order of their names', () => {
  const status = new GraphFixture(gatewayClassYaml).classStatus('gatewright')
  expect(summarize(status.conditions)).toEqual(['Accepted=True Accepted', 'SupportedVersion=True SupportedVersion'])
  expect(status.supportedFeatures.map(({ name }) => name)).toEqual(supportedFeatureNames(ownApi))
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

test('what is claimed follows the CRDs of the cluster, and a version that nobody knows is told', () => {
  const fixture = new GraphFixture(gatewayClassYaml)
  const install = (version: string | undefined, channel?: string) => {
    fixture.scheduler.batch(() => fixture.bundle.set('installed', { version, channel }))
    const { conditions, supportedFeatures } = fixture.classStatus('gatewright')
    return {
      supported: findCondition(conditions, 'SupportedVersion'),
      names: supportedFeatures.map(({ name }) => name),
    }
  }
  expect(install('v1.6.1', 'standard').names).not.toContain('HTTPRouteRetry')
  expect(install('v1.6.1', 'experimental').names).toContain('HTTPRouteRetry')
  expect(install('v1.7.0', 'experimental').names).toEqual(supportedFeatureNames(ownApi))
  const future = install('v1.9.0', 'standard')
  expect(future.supported).toMatchObject({ status: 'False', reason: 'UnsupportedVersion' })
  expect(future.names).toContain('HTTPRoute')
  const unread = install(undefined)
  expect(unread.supported.status).toBe('True')
  expect(unread.names).not.toContain('HTTPRouteDestinationPortMatching')
})
