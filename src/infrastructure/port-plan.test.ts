import fc from 'fast-check'
import { expect, test } from 'vitest'
import { podPorts } from './infrastructure-options.ts'
import { planPorts } from './port-plan.ts'

const plan = (...ports: number[]) => Object.fromEntries(planPorts(ports))

test('privileged ports move by ten thousand, others stay', () => {
  expect(plan(80, 443, 8080)).toEqual({ 80: 10080, 443: 10443, 8080: 8080 })
})

test('a port that has to move gives way to one that does not', () => {
  expect(plan(80, 10080)).toEqual({ 80: 10081, 10080: 10080 })
  expect(plan(10081, 81, 80, 10080)).toEqual({ 80: 10082, 81: 10083, 10080: 10080, 10081: 10081 })
})

test('the ports of the pod itself are left alone', () => {
  expect(plan(19000, 19003)).toEqual({ 19000: 19001, 19003: 19004 })
  expect(plan(19000, 19001)).toEqual({ 19000: 19002, 19001: 19001 })
})

test('whatever the ports, each has one of its own that an unprivileged process may bind', () => {
  const ports = fc.array(fc.integer({ min: 1, max: 65535 }), { minLength: 1, maxLength: 200 })
  fc.assert(
    fc.property(ports, fc.integer(), (numbers, seed) => {
      const planned = planPorts(numbers)
      const bound = [...planned.values()]
      expect(new Set(bound).size).toBe(bound.length)
      for (const port of bound) {
        expect(port).toBeGreaterThanOrEqual(1024)
        expect(port).toBeLessThanOrEqual(65535)
        expect(Object.values(podPorts)).not.toContain(port)
      }
      const shuffled = [...numbers].sort((a, b) => ((a * 31 + seed) % 97) - ((b * 31 + seed) % 97))
      expect(planPorts(shuffled)).toEqual(planned)
    }),
  )
})
