import { describe, expect, test } from 'vitest'
import type { GatewaySpecAddress } from '../gatewayapi/objects/gateway.ts'
import { assignAddresses } from './address-assignment.ts'
import type { GatewayAddress } from './gateway-binding.ts'

const ip = (value: string, routability: '' | 'Cluster' = ''): GatewayAddress => ({
  type: 'IPAddress',
  value,
  routability,
})
const host = (value: string): GatewayAddress => ({ type: 'Hostname', value, routability: '' })
const there = { addresses: [ip('192.0.2.1'), ip('192.0.2.2'), host('lb.test'), ip('10.0.0.7', 'Cluster')] }

const assign = (
  requests: readonly Partial<GatewaySpecAddress>[],
  binding: Parameters<typeof assignAddresses>[1] = there,
) => {
  const entries = requests.map((request) => ({ type: 'IPAddress', ...request }))
  const { assigned, unsatisfied } = assignAddresses(entries, binding)
  return [assigned.map((a) => a.value), unsatisfied]
}

describe('addresses of a Gateway', () => {
  test('that asks for none are the usual ones', () => {
    expect(assign([])).toEqual([['192.0.2.1', '192.0.2.2', 'lb.test'], []])
    expect(assign([], { ...there, defaultRoutability: 'Cluster' })).toEqual([['10.0.0.7'], []])
  })

  test('are those that it asks for, each once', () => {
    expect(assign([{ value: '192.0.2.2' }])).toEqual([['192.0.2.2'], []])
    expect(assign([{ value: '192.0.2.2' }, { value: '192.0.2.9' }])).toEqual([['192.0.2.2'], [1]])
    expect(assign([{}, {}, {}])).toEqual([['192.0.2.1', '192.0.2.2'], [2]])
    expect(assign([{ type: 'Hostname' }, { type: 'Hostname', value: 'other.test' }])).toEqual([['lb.test'], [1]])
  })

  test('without a value leave the one that another entry names', () => {
    expect(assign([{}, { value: '192.0.2.1' }])).toEqual([['192.0.2.2', '192.0.2.1'], []])
  })

  test('are of the routability that is asked for, and never of another', () => {
    expect(assign([{ routability: 'Cluster' }])).toEqual([['10.0.0.7'], []])
    expect(assign([{ routability: 'Cluster' }, { routability: '' }])).toEqual([['10.0.0.7', '192.0.2.1'], []])
    expect(assign([{ routability: 'Cluster', value: '192.0.2.1' }])).toEqual([[], [0]])
    expect(assign([{ routability: 'testing.x-k8s.io/sentinel' }])).toEqual([[], [0]])
    expect(assign([{ value: '10.0.0.7' }])).toEqual([[], [0]])
  })
})
