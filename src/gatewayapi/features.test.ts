import { expect, test } from 'vitest'
import { features, supportedFeatureNames } from './features.ts'

test('feature names are unique, and there are 64 of them', () => {
  expect(new Set(features.map((feature) => feature.name)).size).toBe(features.length)
  expect(features).toHaveLength(64)
})

test('claimed names are sorted, and experimental ones need the experimental CRDs', () => {
  const standard = supportedFeatureNames()
  expect(standard).toEqual([...standard].sort())
  expect(standard).toContain('HTTPRoute')
  expect(standard).not.toContain('HTTPRouteDestinationPortMatching')
  expect(supportedFeatureNames('experimental')).toContain('HTTPRouteDestinationPortMatching')
})
