import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AddressCluster } from '../testing/address-cluster.ts'

const cluster = { routability: 'Cluster' } as const
const a = '192.0.2.1'
const b = '192.0.2.2'
const bad = '203.0.113.7'

const types = (bed: AddressCluster) => bed.plans().map(({ type, address = 'any' }) => `${type} ${address}`)
const missing = (bed: AddressCluster) =>
  bed.binding().assignment?.missing.map(({ path, message, isStatic }) => `${path} ${message}${isStatic ? '' : ' *'}`)

describe('the Services of a Gateway', () => {
  test('are one, of the name of everything else, when no address or any one will do', () => {
    for (const bed of [new AddressCluster(), new AddressCluster().request(''), new AddressCluster().request({})]) {
      expect(
        bed
          .settle()
          .plans()
          .map(({ name }) => name),
      ).toEqual(['edge-gatewright'])
      expect(types(bed)).toEqual(['LoadBalancer any'])
      expect(bed.addresses()).toEqual([bed.services.get('edge-gatewright')?.external])
      expect(bed.binding().assignment).toEqual({ assigned: 1, missing: [] })
    }
  })

  test('are one for each address, the first asked for by the one that always is', () => {
    const bed = new AddressCluster().request(a, b).settle()
    expect(types(bed)).toEqual([`LoadBalancer ${a}`, `LoadBalancer ${b}`])
    const [first, second] = bed.plans()
    expect(first?.name).toBe('edge-gatewright')
    expect(second?.name).toMatch(/^edge-gatewright-[0-9a-f]{8}$/)
    expect(bed.addresses()).toEqual([a, b])
  })

  test('do not change with the order of the addresses', () => {
    const bed = new AddressCluster().request(a, b).settle()
    const before = [...bed.services]
    expect(bed.request(b, a).settle().addresses()).toEqual([b, a])
    expect([...bed.services]).toEqual(before)
  })

  test('give two who want any address two addresses', () => {
    const bed = new AddressCluster().request('', '').settle()
    expect(types(bed)).toEqual(['LoadBalancer any', 'LoadBalancer any'])
    expect(new Set(bed.addresses()).size).toBe(2)
  })

  test('have names that Kubernetes takes, however long that of the Gateway is', () => {
    const key = `shop/${'long.'.repeat(50)}` as never
    for (const { name } of new AddressCluster({ key }).request(a, b, '').plans())
      expect(name).toMatch(/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/)
  })

  test('are of the type of the parameters, and asked for addresses inside of the cluster then', () => {
    const bed = new AddressCluster({ parameters: { serviceType: 'ClusterIP' } }).request('', '10.96.0.77').settle()
    expect(types(bed)).toEqual(['ClusterIP any', 'ClusterIP 10.96.0.77'])
    expect(bed.addresses()).toEqual(['10.96.0.1 Cluster', '10.96.0.77 Cluster'])
  })
})

describe('an address that cannot be had', () => {
  test('is missing, and the others are there', () => {
    const bed = new AddressCluster().request(bad, a).settle()
    expect(bed.addresses()).toEqual([a])
    expect(bed.binding().assignment?.assigned).toBe(1)
    expect(missing(bed)).toEqual([`spec.addresses[0] the load balancer has not assigned ${bad}`])
    // As the conformance suite goes on.
    expect(bed.request(a).settle().addresses()).toEqual([a])
    expect(missing(bed)).toEqual([])
    expect(types(bed)).toEqual(['ClusterIP any', `LoadBalancer ${a}`])
  })

  test('leaves what was there before, so that a typing error in a live Gateway cuts nobody off', () => {
    const bed = new AddressCluster().request(a).settle().request(bad).settle()
    expect(bed.addresses()).toEqual([a])
    expect(bed.binding().assignment?.assigned).toBe(0)
    expect(bed.request(b).settle().addresses()).toEqual([b])
    expect([...bed.services.values()].filter(({ external }) => external === a)).toEqual([])
  })

  test('is told with what the load balancer has given instead', () => {
    const bed = new AddressCluster().request(bad).settle()
    for (const service of bed.services.values()) service.external = b
    expect(missing(bed)).toEqual([`spec.addresses[0] the load balancer has not assigned ${bad}, but ${b}`])
    expect(bed.addresses()).toEqual([])
  })

  test('is a hostname that the load balancer does not have', () => {
    const bed = new AddressCluster().request({ type: 'Hostname', value: 'edge.example.com' }).settle()
    expect(missing(bed)).toEqual([
      'spec.addresses[0] the load balancer has no hostname edge.example.com: ask for type IPAddress',
    ])
    expect(bed.addresses()).toEqual([])
  })
})

describe('live addresses', () => {
  test('that were given to the Gateway can be pinned', () => {
    const bed = new AddressCluster().settle()
    const [given = ''] = bed.addresses()
    const before = bed.services.get('edge-gatewright')
    bed.request(given).settle()
    expect(bed.addresses()).toEqual([given])
    expect(bed.services.size).toBe(1)
    expect(bed.services.get('edge-gatewright')).toEqual({ ...before, asksFor: given })
  })

  test('of a further Service can be pinned, too', () => {
    const bed = new AddressCluster().request('', '').settle()
    const [, second = ''] = bed.addresses()
    expect(bed.request('', second).settle().addresses()).toContain(second)
    expect(missing(bed)).toEqual([])
    expect(bed.services.size).toBe(2)
  })

  test('stay until the new ones work', () => {
    const bed = new AddressCluster().request(a).settle()
    bed.isBalancing = false
    bed.request(b).settle()
    expect(bed.addresses()).toEqual([a])
    expect(bed.binding().assignment?.assigned).toBe(0)
    bed.isBalancing = true
    bed.step()
    expect(bed.addresses()).toEqual([b])
    bed.settle()
    expect(types(bed)).toEqual(['ClusterIP any', `LoadBalancer ${b}`])
  })

  test('of further Services stay until any other works when none is asked for any more', () => {
    const bed = new AddressCluster().request(bad, a).settle().request(a).settle()
    bed.isBalancing = false
    expect(bed.request().settle().addresses()).toEqual([a])
    bed.isBalancing = true
    expect(bed.settle().addresses()).not.toContain(a)
    expect(bed.services.size).toBe(1)
  })

  test('that the load balancer takes away are asked for as before', () => {
    const bed = new AddressCluster().request(bad, a).settle().request(a).settle()
    const before = types(bed)
    for (const service of bed.services.values()) service.external = undefined
    expect(types(bed)).toEqual(before)
    expect(bed.settle().addresses()).toEqual([a])
  })
})

describe('routability', () => {
  test('Cluster is the address that the Service has inside of the cluster, and nothing is open to the outside', () => {
    const bed = new AddressCluster().request(cluster).settle()
    expect(types(bed)).toEqual(['ClusterIP any'])
    expect(bed.addresses()).toEqual(['10.96.0.1 Cluster'])
    expect(bed.binding().assignment).toEqual({ assigned: 1, missing: [] })
  })

  test('Cluster and any other address are two', () => {
    for (const order of [
      ['', cluster],
      [cluster, ''],
    ]) {
      const bed = new AddressCluster().request(...order).settle()
      expect(bed.services.size).toBe(1)
      expect(bed.addresses().sort()).toEqual(
        ['10.96.0.1 Cluster', bed.services.get('edge-gatewright')?.external].sort(),
      )
    }
  })

  test('Cluster with a value is that very ClusterIP', () => {
    const bed = new AddressCluster().request({ ...cluster, value: '10.96.0.50' }, cluster).settle()
    expect(bed.addresses()).toEqual(['10.96.0.50 Cluster', '10.96.0.1 Cluster'])
    // One that a Service of the Gateway has by chance needs no other.
    const pinned = new AddressCluster()
      .request(cluster)
      .settle()
      .request({ ...cluster, value: '10.96.0.1' }, cluster)
    expect(pinned.settle().addresses()).toEqual(['10.96.0.1 Cluster', '10.96.0.2 Cluster'])
  })

  test('Cluster with a value from elsewhere is missing, with the words of the API server', () => {
    const bed = new AddressCluster().request('', { ...cluster, value: bad }).settle()
    expect(missing(bed)).toEqual([`spec.addresses[1] the API server refuses ${bad}`])
    expect(bed.addresses()).toHaveLength(1)
    const alone = new AddressCluster().request({ ...cluster, value: bad }).settle()
    expect(alone.addresses()).toEqual([])
    expect(alone.binding().assignment?.assigned).toBe(0)
  })

  test('of the conformance suite is told as it was asked for', () => {
    const routability = 'testing.x-k8s.io/sentinel'
    const bed = new AddressCluster().request({ routability }).settle()
    expect(bed.addresses()).toEqual([`${bed.services.get('edge-gatewright')?.external} ${routability}`])
  })

  test('that nobody knows gets no address, and no other one instead', () => {
    for (const routability of ['example.com/wan', 'testing.x-k8s.io/other']) {
      const bed = new AddressCluster().request({ routability }).settle()
      expect(bed.addresses()).toEqual([])
      expect(missing(bed)).toEqual([
        `spec.addresses[0] routability ${routability} is not known: leave it out, or use Cluster *`,
      ])
    }
    const hostname = new AddressCluster().request({ type: 'Hostname', ...cluster }).settle()
    expect(missing(hostname)?.[0]).toContain('routability Cluster is for addresses of type IPAddress')
  })

  test('turns a public Gateway into one of the cluster only', () => {
    const bed = new AddressCluster().settle().request(cluster).settle()
    expect([...bed.services.values()].map(({ type }) => type)).toEqual(['ClusterIP'])
    expect(bed.request('').settle().addresses()).toHaveLength(1)
    expect([...bed.services.values()].map(({ type }) => type)).toEqual(['LoadBalancer'])
  })
})

describe('another class of ours, with other names for the Services', () => {
  const ofEarlierClass = (bed: AddressCluster) => bed.plans().flatMap((p) => (p.isOfEarlierClass ? [p.name] : []))

  test('leaves the Gateway the addresses that it has until it has others', () => {
    const bed = new AddressCluster().settle()
    const before = bed.addresses()
    bed.isBalancing = false
    bed.changeClass('other')
    expect(bed.addresses()).toEqual(before)
    expect(bed.settle().addresses()).toEqual(before)
    expect(bed.binding().assignment?.assigned).toBe(0)
    expect(ofEarlierClass(bed)).toEqual(['edge-gatewright'])
    bed.isBalancing = true
    expect(bed.settle().addresses()).toEqual([bed.services.get('edge-other')?.external])
    expect(bed.addresses()).not.toEqual(before)
    expect([...bed.services.keys()]).toEqual(['edge-other'])
  })

  test('does so also inside of the cluster', () => {
    const bed = new AddressCluster({ parameters: { serviceType: 'ClusterIP' } }).settle()
    bed.changeClass('other')
    expect(bed.addresses()).toEqual(['10.96.0.1 Cluster'])
    expect(bed.settle().addresses()).toEqual(['10.96.0.2 Cluster'])
  })

  test('changes nothing of a Service that is only left for its address', () => {
    const bed = new AddressCluster().settle()
    const before = { ...bed.services.get('edge-gatewright') }
    bed.isBalancing = false
    bed.changeClass('other').settle()
    expect(bed.services.get('edge-gatewright')).toEqual(before)
  })

  test('never leaves it without any, whatever it asks for and however often its class changes', () => {
    const request = fc.constantFrom(a, b, '', cluster, { ...cluster, value: '10.96.0.1' })
    const change = fc.tuple(fc.constantFrom('gatewright', 'other', 'third'), fc.nat(4), fc.boolean())
    void fc.assert(
      fc.property(
        fc.constantFrom('LoadBalancer' as const, 'ClusterIP' as const, 'NodePort' as const),
        fc.uniqueArray(request, { maxLength: 3 }),
        fc.array(change, { minLength: 1, maxLength: 6 }),
        (serviceType, requests, changes) => {
          const bed = new AddressCluster({ parameters: { serviceType } }).request(...requests).settle()
          fc.pre(bed.addresses().length > 0)
          for (const [className, steps, isBalancing] of changes) {
            bed.isBalancing = isBalancing
            bed.changeClass(className)
            for (let step = 0; step <= steps; step++, bed.step()) expect(bed.addresses()).not.toEqual([])
          }
          bed.isBalancing = true
          bed.settle()
        },
      ),
      { numRuns: 500 },
    )
  })

  test('takes over a Service that has an address that is asked for', () => {
    const bed = new AddressCluster().request(a).settle()
    expect(bed.changeClass('other').settle().addresses()).toEqual([a])
    expect(ofEarlierClass(bed)).toEqual([])
    expect(bed.services.get('edge-gatewright')).toMatchObject({ external: a, className: 'other' })
  })
})

test('after any edits everything comes to rest, each address that can be had is there, and none was lost meanwhile', () => {
  const request = fc.oneof(
    fc.constantFrom<string>(a, b, '192.0.2.3', bad, ''),
    fc.constantFrom(cluster, { ...cluster, value: '10.96.0.50' }, { ...cluster, value: bad }),
    fc.constantFrom({ routability: 'example.com/x' }, { type: 'Hostname' as const }),
  )
  const spec = fc.uniqueArray(request, {
    maxLength: 4,
    selector: (r) => (typeof r === 'string' ? r || Symbol() : 'value' in r ? r.value : Symbol()),
  })
  const className = fc.constantFrom('gatewright', 'gatewright', 'other', 'third')
  void fc.assert(
    fc.property(fc.array(fc.tuple(spec, fc.nat(4), className), { minLength: 1, maxLength: 6 }), (edits) => {
      const bed = new AddressCluster()
      for (const [addresses, steps, ofClass] of edits) {
        bed.request(...addresses).changeClass(ofClass)
        const asked = new Set(addresses.map((r) => (typeof r === 'string' ? r : '')))
        let had = new Set(bed.addresses().filter((value) => asked.has(value)))
        for (let step = 0; step < steps; step++) {
          bed.step()
          const now = bed.addresses()
          for (const value of had) expect(now).toContain(value)
          had = new Set(now.filter((value) => asked.has(value)))
        }
      }
      bed.settle()
      const left = bed.binding().assignment?.missing ?? []
      const impossible = bed.fleet.addresses.filter(
        ({ value, routability, type }) => value === bad || routability === 'example.com/x' || type === 'Hostname',
      )
      expect(left).toHaveLength(impossible.length)
      const { addresses } = bed.binding()
      expect(new Set(addresses.map(({ value }) => value)).size).toBe(addresses.length)
      // Where everything is there, there is nothing else.
      if (impossible.length === 0) expect(addresses).toHaveLength(Math.max(1, bed.fleet.addresses.length))
    }),
    { numRuns: 1000 },
  )
})
