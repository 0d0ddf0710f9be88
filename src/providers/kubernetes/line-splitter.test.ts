import { expect, test } from 'vitest'
import { LineSplitter } from './line-splitter.ts'

function split(chunks: readonly string[], maxLine = 100): { lines: string[]; isOpen: boolean } {
  const lines: string[] = []
  const splitter = new LineSplitter((line) => lines.push(line.toString()), maxLine)
  for (const chunk of chunks) splitter.write(Buffer.from(chunk))
  return { lines, isOpen: splitter.isOpen }
}

test('Lines are the same however the bytes are cut, and empty ones are none', () => {
  const text = '{"a":1}\n\n{"b":"ü€😀"}\n{"c":3}\n'
  const bytes = Buffer.from(text)
  for (let size = 1; size <= bytes.length; size++) {
    const lines: string[] = []
    const splitter = new LineSplitter((line) => lines.push(line.toString()), 100)
    for (let at = 0; at < bytes.length; at += size) splitter.write(bytes.subarray(at, at + size))
    expect(lines).toEqual(['{"a":1}', '{"b":"ü€😀"}', '{"c":3}'])
    expect(splitter.isOpen).toBe(false)
  }
})

test('What has no line end yet is open', () => {
  expect(split(['a\nb'])).toEqual({ lines: ['a'], isOpen: true })
})

test('A line may be as long as the limit, in one piece or in many', () => {
  expect(split([`${'x'.repeat(100)}\n`]).lines).toHaveLength(1)
  expect(() => split([`${'x'.repeat(101)}\n`])).toThrow('more than 100 bytes')
  expect(() => split(Array.from({ length: 101 }, () => 'x'))).toThrow('more than 100 bytes')
})
