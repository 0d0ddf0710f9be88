import { describe, expect, it } from 'vitest'
import { makeResource, XdsBed } from '../testing/xds-bed.ts'

/* Scoped tables come as members of an xdstp collection, which Envoy asks for with "*" as the last segment. */

const scheme = 'xdstp:///envoy.config.route.v3.ScopedRouteConfiguration'
const own = `${scheme}/port-443/*.a.test/16/*`
const scope = (bucket: string, text = 'v1') =>
  makeResource('scopedRoute', `${scheme}/port-443/*.a.test/16/${bucket}`, text)
const cluster = (text = 'v1') => makeResource('cluster', 'c', text)
const endpoints = makeResource('endpoint', 'c')
const listener = makeResource('listener', 'port-443')

/** A proxy that has everything. */
async function connect(bed: XdsBed) {
  const proxy = await bed.connect('delta')
  proxy.subscribe('cluster')
  proxy.subscribe('listener')
  proxy.subscribe('scopedRoute', own)
  proxy.takeAll()
  return proxy
}

describe('scoped tables', () => {
  it('are those of the collection that was asked for, and no others', async () => {
    const bed = new XdsBed()
    const foreign = makeResource('scopedRoute', `${scheme}/port-443/*.a.test/64/00`)
    bed.put(listener, scope('0'), scope('f'), foreign)
    const proxy = await bed.connect('delta')
    proxy.subscribe('scopedRoute', own)
    bed.settle()
    expect(proxy.take().map((r) => [...r.names].sort())).toEqual([[scope('0').name, scope('f').name]])
  })

  it('come behind the clusters and endpoints that they need, of which only the changed ones are sent', async () => {
    const bed = new XdsBed()
    bed.put(listener, scope('0'), scope('1'))
    const proxy = await connect(bed)
    bed.put(cluster(), endpoints, scope('1', 'v2'))
    bed.settle()
    expect(proxy.take().map((r) => [r.type, r.names])).toEqual([
      ['cluster', ['c']],
      ['endpoint', ['c']],
      ['scopedRoute', [scope('1').name]],
    ])
  })

  it('keep a cluster until their change is accepted and the linger is over', async () => {
    const bed = new XdsBed({ linger: 1000, drainTime: 1000 })
    bed.put(listener, cluster(), endpoints, scope('0'))
    const proxy = await connect(bed)
    bed.change([scope('0', 'v2')], [['cluster', 'c']])
    bed.settle()
    const [change] = proxy.take()
    bed.advance(5000)
    expect(proxy.take()).toEqual([])
    proxy.ack(change as NonNullable<typeof change>)
    bed.advance(999)
    expect(proxy.take()).toEqual([])
    bed.advance(2)
    expect(proxy.take().map((r) => [r.type, r.removed])).toEqual([['cluster', ['c']]])
  })

  it('are not sent again to a proxy that reconnects with them', async () => {
    const bed = new XdsBed()
    bed.put(listener, scope('0'), scope('1', 'v2'))
    const proxy = await bed.connect('delta')
    proxy.delta('scopedRoute', {
      resourceNamesSubscribe: [own],
      initialResourceVersions: { [scope('0').name]: scope('0').version, [scope('1').name]: scope('1', 'v1').version },
    })
    bed.settle()
    expect(proxy.take().map((r) => r.names)).toEqual([[scope('1').name]])
  })

  it('are tried one by one after a refusal, and the good ones arrive', async () => {
    const bed = new XdsBed()
    bed.put(listener, scope('0'), scope('1'))
    const proxy = await connect(bed)
    bed.put(scope('0', 'v2'), scope('1', 'bad'))
    bed.settle()
    const [both] = proxy.take()
    expect(both?.names).toHaveLength(2)
    proxy.nack(both as NonNullable<typeof both>)
    bed.settle()
    for (let responses = proxy.take(); responses.length > 0; responses = proxy.take()) {
      for (const response of responses) {
        expect(response.names).toHaveLength(1)
        if (response.texts[scope('1').name] === 'bad') proxy.nack(response)
        else proxy.ack(response)
      }
      bed.settle()
    }
    expect(bed.ack('scopedRoute', scope('0').name)).toEqual({ ackedVersion: scope('0', 'v2').version })
    expect(bed.ack('scopedRoute', scope('1').name)).toEqual({
      ackedVersion: scope('1').version,
      rejected: { version: scope('1', 'bad').version, message: 'refused' },
    })
  })
})
