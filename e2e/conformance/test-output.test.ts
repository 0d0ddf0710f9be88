import { expect, test } from 'vitest'
import { type TestOutcome, TestOutputReader } from './test-output.ts'

test('Outcomes of the suite are read with what each test said, parallel ones too', () => {
  const outcomes: TestOutcome[] = []
  const reader = new TestOutputReader((outcome) => void outcomes.push(outcome))
  const output = `=== RUN   TestConformance
    setup
=== RUN   TestConformance/HTTPRouteSimple
    a
=== RUN   TestConformance/HTTPRouteSimple/0_request
    b
=== RUN   TestConformance/GatewayA
=== PAUSE TestConformance/GatewayA
=== CONT  TestConformance/GatewayA
    c
=== NAME  TestConformance/HTTPRouteSimple
    d
--- FAIL: TestConformance (10.00s)
    --- FAIL: TestConformance/HTTPRouteSimple (2.50s)
        --- FAIL: TestConformance/HTTPRouteSimple/0_request (1.00s)
    --- SKIP: TestConformance/GatewayA (0.00s)`
  for (const line of output.split('\n')) reader.readLine(line)
  expect(outcomes).toEqual([
    { name: 'HTTPRouteSimple', result: 'FAIL', seconds: 2.5, log: ['    a', '    b', '    d'] },
    { name: 'GatewayA', result: 'SKIP', seconds: 0, log: ['    c'] },
  ])
})
