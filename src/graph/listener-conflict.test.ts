import { describe, expect, test } from 'vitest'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { CertificateNode } from './certificate.ts'
import { type ListenerNode, listenerKey } from './listener.ts'
import { rejectConflicts, reportOverlaps } from './listener-conflict.ts'

const owner = { kind: 'Gateway', key: 'shop/edge' as NamespacedName } as const
const node = (name: string, fields: Partial<ListenerNode> = {}): ListenerNode => ({
  key: listenerKey(owner, name),
  gateway: owner.key,
  owner,
  index: 0,
  name,
  port: 80,
  protocol: 'HTTP',
  hostname: 'shop.example.com',
  tls: 'none',
  certificates: [],
  filters: [],
  isClosed: false,
  supportedKinds: [],
  allowedNamespaces: { from: 'Same' },
  verdict: 'accepted',
  problems: [],
  notes: [],
  ...fields,
})

const certificate = (...dnsNames: string[]): CertificateNode => ({
  key: 'shop/cert' as NamespacedName,
  chain: '',
  privateKey: '',
  dnsNames,
})

const verdicts = (listeners: readonly ListenerNode[]) =>
  listeners.map((l) => [l.name, l.verdict, l.problems[0]?.reason])

describe('listeners of one set', () => {
  // The schema refuses such a Gateway; older API servers do not.
  test('of one port and hostname all lose', () => {
    const [listeners = []] = rejectConflicts([[node('a'), node('b'), node('c', { hostname: '' })]])
    expect(verdicts(listeners)).toEqual([
      ['a', 'rejected', 'HostnameConflict'],
      ['b', 'rejected', 'HostnameConflict'],
      ['c', 'accepted', undefined],
    ])
    expect(listeners[0]?.problems[0]?.message).toContain('listener "b"')
  })

  test('conflict also when one has no certificate', () => {
    const [listeners = []] = rejectConflicts([[node('a'), node('b', { verdict: 'attachable' })]])
    expect(listeners.map((l) => l.verdict)).toEqual(['rejected', 'rejected'])
  })

  test('of protocols HTTPS and TLS share a port, by their names', () => {
    const web = node('web', { protocol: 'HTTPS' })
    const [good = []] = rejectConflicts([[web, node('db', { protocol: 'TLS', hostname: 'db.example.com' })]])
    expect(good.map((l) => l.verdict)).toEqual(['accepted', 'accepted'])
    const [bad = []] = rejectConflicts([[web, node('db', { protocol: 'TLS' })]])
    expect(verdicts(bad)).toEqual([
      ['web', 'rejected', 'ProtocolConflict'],
      ['db', 'rejected', 'ProtocolConflict'],
    ])
    expect(bad[0]?.problems[0]?.message).toBe(
      'listener "db" has the same port and hostname with protocol TLS: change one of them',
    )
  })

  test.each(['HTTP', 'HTTPS', 'TLS'])('of protocol TCP share no port with %s', (protocol) => {
    const [listeners = []] = rejectConflicts([
      [node('web', { protocol }), node('raw', { protocol: 'TCP', hostname: '' })],
    ])
    expect(verdicts(listeners)).toEqual([
      ['web', 'rejected', 'ProtocolConflict'],
      ['raw', 'rejected', 'ProtocolConflict'],
    ])
  })

  test('of protocol UDP have ports of their own', () => {
    const dns = node('dns', { protocol: 'UDP', port: 53, hostname: '' })
    const [listeners = []] = rejectConflicts([[dns, node('dns-tcp', { protocol: 'TCP', port: 53, hostname: '' })]])
    expect(listeners.map((l) => l.verdict)).toEqual(['accepted', 'accepted'])
  })
})

describe('listeners of several sets', () => {
  test('lose against an earlier set, and only there', () => {
    const [own = [], first = [], second = []] = rejectConflicts([
      [node('a')],
      [node('b'), node('c', { hostname: 'other.example.com' })],
      [node('d', { hostname: 'other.example.com' }), node('e', { hostname: 'third.example.com' })],
    ])
    expect(verdicts(own)).toEqual([['a', 'accepted', undefined]])
    expect(verdicts(first)).toEqual([
      ['b', 'rejected', 'HostnameConflict'],
      ['c', 'accepted', undefined],
    ])
    expect(verdicts(second)).toEqual([
      ['d', 'rejected', 'HostnameConflict'],
      ['e', 'accepted', undefined],
    ])
  })

  test('do not lose against one that has lost', () => {
    const [, first = [], second = []] = rejectConflicts([
      [node('a')],
      [node('raw', { protocol: 'TCP', hostname: '' })],
      [node('b', { hostname: 'other.example.com' })],
    ])
    expect(verdicts(first)).toEqual([['raw', 'rejected', 'ProtocolConflict']])
    expect(verdicts(second)).toEqual([['b', 'accepted', undefined]])
  })
})

describe('a listener that loses against an earlier set', () => {
  test('costs its neighbours nothing', () => {
    const earlier = [node('gateway', { hostname: 'gateway.example.com' })]
    const set = [
      node('first', { hostname: 'first.example.com' }),
      node('raw', { protocol: 'TCP', hostname: '' }),
      node('last', { hostname: 'last.example.com' }),
    ]
    const [, listeners = []] = rejectConflicts([earlier, set])
    expect(verdicts(listeners)).toEqual([
      ['first', 'accepted', undefined],
      ['raw', 'rejected', 'ProtocolConflict'],
      ['last', 'accepted', undefined],
    ])
  })
})

describe('overlaps', () => {
  const overlaps = (...listeners: ListenerNode[]) =>
    reportOverlaps(listeners).map((l) => [l.name, l.problems.find((p) => p.on === 'OverlappingTLSConfig')?.reason])
  const secure = (name: string, hostname: string, more: Partial<ListenerNode> = {}) =>
    node(name, { protocol: 'HTTPS', tls: 'terminate', port: 443, hostname, ...more })

  test('of hostnames are told on all sides, and to nobody else', () => {
    expect(
      overlaps(secure('a', 'foo.example.com'), secure('b', 'foo.example.org'), secure('c', '*.example.com')),
    ).toEqual([
      ['a', 'OverlappingHostnames'],
      ['b', undefined],
      ['c', 'OverlappingHostnames'],
    ])
  })

  test('of certificates come before those of hostnames', () => {
    expect(
      overlaps(
        secure('a', 'foo.example.com', { certificates: [certificate('*.example.com')] }),
        secure('b', 'bar.example.com', { certificates: [certificate('other.test', 'bar.example.com')] }),
        secure('c', '', { certificates: [certificate('elsewhere.test')] }),
      ),
    ).toEqual([
      ['a', 'OverlappingCertificates'],
      ['b', 'OverlappingCertificates'],
      ['c', 'OverlappingHostnames'],
    ])
  })

  test('do not matter between ports, without TLS, or with a listener that is rejected', () => {
    expect(overlaps(secure('a', ''), secure('b', '', { port: 8443 }))).toEqual([
      ['a', undefined],
      ['b', undefined],
    ])
    expect(overlaps(node('a', { hostname: '' }), node('b'))).toEqual([
      ['a', undefined],
      ['b', undefined],
    ])
    expect(overlaps(secure('a', ''), secure('b', 'b.test', { verdict: 'rejected' }))).toEqual([
      ['a', undefined],
      ['b', undefined],
    ])
  })
})
