import { describe, expect, test } from 'vitest'
import { FakeClock } from '../../testing/xds-clock.ts'
import { WaitingRoom } from './waiting-room.ts'

const what = 'the accounts are'

describe('A waiting room', () => {
  test('lets everybody in when it is opened, and at once from then on', async () => {
    const clock = new FakeClock()
    const room = new WaitingRoom({ clock, what })
    const before = room.enter()
    clock.advance(19_999)
    room.open()
    await before
    await room.enter()
    clock.advance(60_000)
    expect(room.isOpen).toBe(true)
  })

  test('sends away who has waited for too long', async () => {
    const clock = new FakeClock()
    const room = new WaitingRoom({ clock, what, patience: 100 })
    const waiting = expect(room.enter()).rejects.toThrow('the accounts are not known yet')
    clock.advance(100)
    await waiting
  })

  test('sends away who comes when all seats are taken, until one is free', async () => {
    const clock = new FakeClock()
    const room = new WaitingRoom({ clock, what, seats: 1, patience: 100 })
    const first = expect(room.enter()).rejects.toThrow('not known yet')
    await expect(room.enter()).rejects.toThrow('too many wait')
    clock.advance(100)
    await first
    const second = room.enter()
    room.open()
    await second
  })

  test('sends everybody away when it is closed', async () => {
    const room = new WaitingRoom({ clock: new FakeClock(), what })
    const waiting = expect(room.enter()).rejects.toThrow('shutting down')
    room.close()
    await waiting
  })
})
