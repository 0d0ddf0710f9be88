import { describe, expect, it } from 'vitest'
import { describeDifference } from './text-difference.ts'

const lines = (...values: (string | number)[]) => values.join('\n')

describe('describeDifference', () => {
  it('shows changed lines with three lines around them', () => {
    const before = lines(1, 2, 3, 4, 5, 6, 7, 8, 9)
    const after = lines(1, 2, 3, 4, 'five', 6, 7, 8, 9)
    expect(describeDifference(before, after)).toBe(lines('@@', ' 2', ' 3', ' 4', '-5', '+five', ' 6', ' 7', ' 8'))
  })

  it('keeps what did not change between two changes', () => {
    expect(describeDifference(lines('a', 'b', 'c'), lines('x', 'b', 'y'))).toBe(lines('-a', '+x', ' b', '-c', '+y'))
  })

  it('shows lines that were only added or only removed', () => {
    expect(describeDifference(lines('a', 'c'), lines('a', 'b', 'c'))).toBe(lines(' a', '+b', ' c'))
    expect(describeDifference(lines('a', 'a', 'a'), lines('a', 'a'))).toContain('-a')
  })

  it('ends long differences', () => {
    const many = Array.from({ length: 500 }, (_, i) => i)
    expect(
      describeDifference(lines(...many), lines('other'))
        .split('\n')
        .at(-1),
    ).toMatch(/^\.\.\. and \d+ more lines$/)
  })
})
