import { describe, expect, test } from 'vitest'
import type { GatewaySpecAddress } from '../gatewayapi/objects/gateway.ts'
import { listAddressRequests } from './address-request.ts'
import { deriveLocalBinding } from './local-binding.ts'

const plan = {
  address: '127.0.0.2',
  isMissing: false,
  bound: new Map([[80, 10080]]),
  problems: new Map([[90, 'port 90 is in use']]),
}

const bind = (requests: readonly Partial<GatewaySpecAddress>[], more: Partial<typeof plan> = {}) =>
  deriveLocalBinding({ ...plan, ...more }, listAddressRequests(requests.map((r) => ({ type: 'IPAddress', ...r }))))

describe('the binding on this machine', () => {
  test('has the one address that the Gateway listens at', () => {
    expect(bind([])).toEqual({
      listenAddress: '127.0.0.2',
      ports: { 80: 10080 },
      addresses: [{ type: 'IPAddress', value: '127.0.0.2' }],
      assignment: { assigned: 1, missing: [] },
      portProblems: { 90: 'port 90 is in use' },
    })
    for (const request of [{}, { value: '' }, { value: '127.0.0.2' }])
      expect(bind([request])).toMatchObject({
        addresses: [{ type: 'IPAddress', value: '127.0.0.2' }],
        assignment: { assigned: 1, missing: [] },
      })
  })

  test('names the addresses that it does not have', () => {
    const { addresses, assignment } = bind([{ value: '127.0.0.2' }, { value: '127.0.0.3' }, { routability: 'Cluster' }])
    expect(addresses).toEqual([{ type: 'IPAddress', value: '127.0.0.2', routability: '' }])
    expect(assignment?.missing.map(({ path }) => path)).toEqual(['spec.addresses[1]', 'spec.addresses[2]'])
  })

  test('has none where the machine does not have it', () => {
    const { addresses, assignment } = bind([{ value: '127.0.0.2' }], { isMissing: true, bound: new Map() })
    expect(addresses).toEqual([])
    expect(assignment?.missing).toEqual([
      {
        path: 'spec.addresses[0]',
        message: 'this machine has no address 127.0.0.2: add it, or ask for another one',
        isStatic: true,
      },
    ])
  })
})
