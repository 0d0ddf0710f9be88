import { expect, test } from 'vitest'
import { features, ownApi, parseInstalledApi, supportedFeatureNames } from './features.ts'

test('feature names are unique, and there are 64 of them', () => {
  expect(new Set(features.map((feature) => feature.name)).size).toBe(features.length)
  expect(features).toHaveLength(64)
})

test('claimed names are sorted, and experimental ones need the experimental CRDs', () => {
  const standard = supportedFeatureNames({ channel: 'standard', minor: 7 })
  expect(standard).toEqual([...standard].sort())
  expect(standard).toContain('HTTPRoute')
  expect(standard).not.toContain('HTTPRouteDestinationPortMatching')
  expect(supportedFeatureNames(ownApi)).toContain('HTTPRouteDestinationPortMatching')
})

test('earlier CRDs know some features by other names', () => {
  const standard = supportedFeatureNames({ channel: 'standard', minor: 6 })
  const experimental = supportedFeatureNames({ channel: 'experimental', minor: 6 })
  for (const names of [standard, experimental]) expect(names).not.toContain('HTTPRouteRetryCodes')
  // Without the field in the CRD nobody can use it.
  expect(standard).not.toContain('HTTPRouteRetry')
  expect(experimental).toContain('HTTPRouteRetry')
})

test('each release is told the name that it knows', () => {
  const infrastructureIn = (minor: number) =>
    supportedFeatureNames({ channel: 'standard', minor }).filter((name) => name.startsWith('GatewayInfrastructure'))
  expect(infrastructureIn(5)).toEqual(['GatewayInfrastructurePropagation'])
  expect(infrastructureIn(6)).toEqual(['GatewayInfrastructure'])
  expect(infrastructureIn(7)).toEqual(['GatewayInfrastructure'])
})

test('earlier CRDs have no field for the routability of addresses and for filters of listeners, and standard ones have none', () => {
  const names = ['GatewayAddressRoutability', 'GatewayAddressRoutabilityCluster', 'GatewayListenerFilters']
  expect(supportedFeatureNames({ channel: 'experimental', minor: 7 })).toEqual(expect.arrayContaining(names))
  for (const api of [
    { channel: 'experimental', minor: 6 },
    { channel: 'standard', minor: 7 },
  ] as const)
    for (const name of names) expect(supportedFeatureNames(api)).not.toContain(name)
})

test('what the CRDs say of themselves is read, and a version from the future is told from one that is known', () => {
  expect(parseInstalledApi('v1.7.0', 'standard')).toEqual({ channel: 'standard', minor: 7 })
  expect(parseInstalledApi('v1.0.0-rc.1', 'experimental')).toEqual({ channel: 'experimental', minor: 0 })
  for (const version of ['v1.8.0', 'v2.0.0', 'v0.8.1', 'main', 'v1', ''])
    expect(parseInstalledApi(version, undefined)).toBeUndefined()
})
