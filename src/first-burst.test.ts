import { expect, test } from 'vitest'
import { firstBurst } from './first-burst.ts'
import { FakeClock } from './testing/xds-clock.ts'

function watchBurst() {
  const clock = new FakeClock()
  const sent = { bytesSent: 7 }
  let isOver = false
  const over = firstBurst(sent, clock).then(() => {
    isOver = true
  })
  const pass = async (milliseconds: number): Promise<boolean> => {
    clock.advance(milliseconds)
    await Promise.resolve()
    return isOver
  }
  return { sent, over, pass }
}

test('A burst is over when nothing was sent for a while, also when there was nothing to send', async () => {
  const { sent, pass } = watchBurst()
  sent.bytesSent = 100
  expect(await pass(100)).toBe(false)
  sent.bytesSent = 200
  expect(await pass(100)).toBe(false)
  expect(await pass(99)).toBe(false)
  expect(await pass(1)).toBe(true)
  expect(await watchBurst().pass(100)).toBe(true)
})

test('A burst that does not end holds nobody up for longer than two seconds', async () => {
  const { sent, pass } = watchBurst()
  let steps = 0
  do {
    sent.bytesSent++
    steps++
  } while (!(await pass(100)))
  expect(steps).toBe(20)
})
