import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { BackendIdentity } from '../graph/backend.ts'
import { clusterName, clusterStatName, listenerName, missingCluster, secretName, tableName } from './names.ts'

const label = fc.stringMatching(/^[a-z][-a-z0-9]{0,3}$/)
const dotted = fc.stringMatching(/^[a-z][-.a-z0-9]{0,4}$/)
const identity: fc.Arbitrary<Omit<BackendIdentity, 'key'>> = fc.record({
  target: fc.oneof(
    fc.record({
      group: fc.constant(''),
      kind: fc.constant('Service'),
      namespace: label,
      name: label,
      port: fc.integer({ min: 1, max: 65535 }),
    }),
    fc.record({
      group: fc.constant('gateway.envoyproxy.io'),
      kind: fc.constant('Backend'),
      namespace: label,
      name: dotted,
      port: fc.constant(0),
    }),
  ),
  protocol: fc.constantFrom('http1', 'h2c'),
})

describe('names', () => {
  it('name a cluster after what it leads to', () => {
    const target = { group: '', kind: 'Service', namespace: 'shop', name: 'web', port: 80 }
    expect(clusterName({ target, protocol: 'http1' })).toBe('Service/shop/web/80/http1')
    expect(clusterStatName({ target, protocol: 'http1' })).toBe('shop/web/80')
  })

  it('name the cluster of a Backend after the Backend, which has no port of its own', () => {
    const target = { group: 'gateway.envoyproxy.io', kind: 'Backend', namespace: 'shop', name: 'legacy', port: 0 }
    expect(clusterName({ target, protocol: 'h2c' })).toBe('gateway.envoyproxy.io/Backend/shop/legacy/0/h2c')
    expect(clusterStatName({ target, protocol: 'h2c' })).toBe('shop/legacy')
  })

  it('never give two backends one cluster', () => {
    fc.assert(
      fc.property(identity, identity, (a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b)
        expect(clusterName(a) === clusterName(b)).toBe(same)
        expect(clusterName(a)).not.toBe(missingCluster)
      }),
      { numRuns: 2000 },
    )
  })

  it('name listeners and tables after the port that users write, and tables of HTTPS after the hostname too', () => {
    expect(listenerName({ port: 80, protocol: 'HTTP' })).toBe('port-80')
    expect(listenerName({ port: 53, protocol: 'UDP' })).toBe('port-53/udp')
    expect(tableName({ protocol: 'HTTP', port: 80, hostname: 'a.example.com' })).toBe('port-80')
    expect(tableName({ protocol: 'HTTPS', port: 443, hostname: '' })).toBe('port-443/*')
    expect(tableName({ protocol: 'HTTPS', port: 443, hostname: '*.example.com' })).toBe('port-443/*.example.com')
  })

  it('name a secret after the Secret', () => {
    expect(secretName('shop/tls' as NamespacedName)).toBe('Secret/shop/tls')
  })
})
