import { expect, test } from 'vitest'
import { resolveResources } from './resources.ts'

test.each([
  ['1000m', '1'],
  ['1500m', '1500m'],
  ['0.25', '250m'],
  ['2', '2'],
  ['0.001', '1m'],
])('%s of CPU is %s for the API server', (given, canonical) => {
  expect(resolveResources({ cpuRequest: given, cpuLimit: given })).toMatchObject({
    cpuRequest: canonical,
    cpuLimit: canonical,
  })
})

test.each([
  ['2048Mi', '2Gi'],
  ['1536Mi', '1536Mi'],
  ['65536Ki', '64Mi'],
  ['1000M', '1G'],
  ['1073741824', '1073741824'],
  ['256000000', '256M'],
])('%s of memory is %s for the API server', (given, canonical) => {
  expect(resolveResources({ memoryRequest: given, memoryLimit: given })).toMatchObject({
    memoryRequest: canonical,
    memoryLimit: canonical,
  })
})
