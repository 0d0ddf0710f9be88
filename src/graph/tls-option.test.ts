import { expect, test } from 'vitest'
import { resolveTlsOptions } from './tls-option.ts'

const [min, max] = ['gatewright.dev/tls-min-version', 'gatewright.dev/tls-max-version']
const resolve = (options: Readonly<Record<string, string>>) => resolveTlsOptions(options, 'spec.options')

test('nothing said is nothing limited', () => {
  expect(resolveTlsOptions(undefined, 'spec.options')).toEqual({ problems: [], notes: [] })
  expect(resolve({})).toEqual({ problems: [], notes: [] })
})

test('either end may be limited, or both', () => {
  expect(resolve({ [min]: '1.3' }).versions).toEqual({ min: '1.3' })
  expect(resolve({ [max]: '1.2' }).versions).toEqual({ max: '1.2' })
  expect(resolve({ [min]: '1.2', [max]: '1.3' })).toEqual({
    versions: { min: '1.2', max: '1.3' },
    problems: [],
    notes: [],
  })
})

test('what is no version, or leaves none, is a problem', () => {
  for (const value of ['1.1', 'TLSv1.3', '', '1.3 ']) expect(resolve({ [min]: value }).problems).toHaveLength(1)
  expect(resolve({ [min]: '1.3', [max]: '1.2' }).problems).toMatchObject([{ field: 'spec.options' }])
})

test('other keys are told, and limit nothing', () => {
  const { versions, problems, notes } = resolve({ 'example.com/tls-min-version': '1.3', 'tls-min-version': '1.3' })
  expect([versions, problems]).toEqual([undefined, []])
  expect(notes).toHaveLength(2)
  expect(notes[0]).toContain('spec.options: "example.com/tls-min-version" is not known')
})
