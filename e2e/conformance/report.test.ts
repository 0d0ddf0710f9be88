import { expect, test } from 'vitest'
import { listLosses, type Report, type ReportSection } from './report.ts'

const section = (passed: number, supportedFeatures: readonly string[] = []): ReportSection => ({
  result: 'success',
  statistics: { Passed: passed, Failed: 0, Skipped: 0 },
  supportedFeatures,
})
const report = (profiles: Report['profiles']): Report => ({
  date: '2026-01-01T00:00:00Z',
  gatewayAPIVersion: 'v1.7.0',
  gatewayAPIChannel: 'standard',
  implementation: { version: '0.1.0' },
  profiles,
})
const http = (core: number, extended: number, features: readonly string[]) => ({
  name: 'GATEWAY-HTTP',
  summary: '',
  core: section(core),
  extended: section(extended, features),
})

test('A report that shows the same as an earlier one, or more, has lost nothing', () => {
  const earlier = report([http(40, 60, ['HTTPRouteCORS'])])
  expect(listLosses(earlier, earlier)).toEqual([])
  expect(listLosses(earlier, report([http(41, 61, ['ListenerSet', 'HTTPRouteCORS'])]))).toEqual([])
})

test('What an earlier report shows and a later one does not is named', () => {
  const grpc = { name: 'GATEWAY-GRPC', summary: '', core: section(17) }
  const earlier = report([http(40, 60, ['HTTPRouteCORS', 'ListenerSet']), grpc])
  expect(listLosses(earlier, report([http(39, 58, ['ListenerSet'])]))).toEqual([
    'GATEWAY-HTTP: 39 core tests passed, 40 did before',
    'GATEWAY-HTTP: 58 extended tests passed, 60 did before',
    'GATEWAY-HTTP: HTTPRouteCORS is not claimed any more',
    'GATEWAY-GRPC: not run',
  ])
})
