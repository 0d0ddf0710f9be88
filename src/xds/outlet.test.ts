import { describe, expect, test } from 'vitest'
import { makeResource, XdsBed } from '../testing/xds-bed.ts'
import { FakeClock } from '../testing/xds-clock.ts'
import { Outlet, type Wire } from './outlet.ts'
import { PushLoop } from './push-loop.ts'
import type { WireMessage } from './wire.ts'

/** A peer that reads when it is told to. */
function createSlowWire(): {
  readonly wire: Wire
  read(): void
  drain(): void
  readonly written: number
  needsDrain: boolean
} {
  const flushes: (() => void)[] = []
  let drain = (): void => {}
  const peer = {
    needsDrain: false,
    written: 0,
    read: () => flushes.shift()?.(),
    drain: () => drain(),
    wire: {
      write(_message: WireMessage, flushed: () => void) {
        peer.written++
        flushes.push(flushed)
        return !peer.needsDrain
      },
      onDrain(run: () => void) {
        drain = run
      },
      end() {},
      cut() {},
    },
  }
  return peer
}

const message = (byteLength: number): WireMessage => ({ byteLength, encode: () => Buffer.alloc(byteLength) })

describe('outlet', () => {
  function start(maxWaitingBytes = 100) {
    const clock = new FakeClock()
    const peer = createSlowWire()
    const events: string[] = []
    const outlet = new Outlet(peer.wire, {
      clock,
      stallLimit: 30_000,
      maxWaitingBytes,
      onRoom: () => events.push('room'),
      onStall: () => events.push('stall'),
    })
    return { clock, peer, events, outlet }
  }

  test('takes no more than its limit, and says when there is room again', () => {
    const { peer, events, outlet } = start()
    outlet.send(message(60))
    expect(outlet.hasRoom).toBe(true)
    outlet.send(message(60))
    expect(outlet.hasRoom).toBe(false)
    peer.read()
    expect(events).toEqual(['room'])
    expect(outlet.waitingBytes).toBe(60)
  })

  test('respects that the transport wants to be drained', () => {
    const { peer, events, outlet } = start()
    peer.needsDrain = true
    outlet.send(message(1))
    expect(outlet.hasRoom).toBe(false)
    peer.read()
    expect(outlet.hasRoom).toBe(false)
    peer.drain()
    expect(outlet.hasRoom).toBe(true)
    expect(events).toEqual(['room'])
  })

  test('a peer that takes nothing for 30 s has stopped', () => {
    const { clock, events, outlet } = start()
    outlet.send(message(1))
    clock.advance(29_999)
    expect(events).toEqual([])
    clock.advance(1)
    expect(events).toEqual(['stall'])
  })

  test('a peer that is slow, or has nothing to take, has not stopped', () => {
    const { clock, peer, events, outlet } = start()
    for (let i = 0; i < 10; i++) outlet.send(message(1))
    for (let i = 0; i < 10; i++) {
      clock.advance(20_000)
      peer.read()
    }
    clock.advance(1_000_000)
    expect(events.filter((event) => event === 'stall')).toEqual([])
    expect(clock.pending).toBe(0)
  })
})

describe('a reader that stops', () => {
  test('keeps one pending change per name, gets the latest when it goes on, and loses nothing', async () => {
    const bed = new XdsBed({ maxMessageBytes: 1_000, maxWaitingBytes: 2_000 })
    const proxy = await bed.connect('delta')
    proxy.subscribe('cluster')
    proxy.takeAll()
    proxy.isStopped = true
    for (let i = 0; i < 500; i++) {
      bed.put(makeResource('cluster', `c${i % 10}`, `${i} ${'x'.repeat(300)}`))
      bed.settle()
    }
    expect(proxy.unread).toBeLessThan(10)
    proxy.isStopped = false
    proxy.read(1000)
    const last = new Map<string, string>()
    for (const { texts } of proxy.takeAll()) for (const [name, text] of Object.entries(texts)) last.set(name, text)
    for (let i = 0; i < 10; i++) expect(last.get(`c${i}`)).toBe(`${490 + i} ${'x'.repeat(300)}`)
  })

  test('is cut off after 30 s, which is counted and frees what is known of it', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'c'))
    const proxy = await bed.connect('delta')
    proxy.subscribe('cluster')
    proxy.takeAll()
    bed.settle()
    expect(bed.ack('cluster', 'c')).toBeDefined()
    proxy.isStopped = true
    bed.put(makeResource('cluster', 'c', 'v2'))
    bed.advance(30_000)
    expect(proxy.isCut).toBe(true)
    expect(bed.core.counters).toMatchObject({ streams: 0, streamsCut: 1 })
    bed.advance(1_000)
    expect(bed.streams.size).toBe(0)
    expect(bed.acks.size).toBe(0)
  })

  test('does not keep others waiting', async () => {
    const bed = new XdsBed()
    const stopped = await bed.connect('delta', { nodeId: 'stopped' })
    const proxy = await bed.connect('delta', { nodeId: 'other' })
    for (const p of [stopped, proxy]) p.subscribe('cluster')
    proxy.takeAll()
    stopped.isStopped = true
    bed.put(makeResource('cluster', 'c'))
    expect(proxy.take().flatMap((r) => r.names)).toEqual(['c'])
  })
})

test('push loop: many members are served in slices, first come first served', () => {
  const tasks: (() => void)[] = []
  let now = 0
  const served: number[] = []
  const turns: number[] = []
  const loop = new PushLoop<number>(
    {
      defer: (run) => tasks.push(run),
      now: () => now,
      budget: 10,
      onTurn: () => {},
      onTurnEnd: () => turns.push(served.length),
    },
    (member) => {
      served.push(member)
      now += 3
      if (member === 0 && served.length === 1) loop.wake(0)
    },
  )
  for (let i = 0; i < 8; i++) loop.wake(i)
  for (let run = tasks.shift(); run; run = tasks.shift()) run()
  expect(served).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 0])
  expect(turns).toEqual([4, 8, 9])
})
