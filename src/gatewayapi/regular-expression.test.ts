import process from 'node:process'
import { expect, test } from 'vitest'
import { checkRegularExpression, estimateProgramSize, maxRegularExpressionSize } from './regular-expression.ts'

const times = (text: string, length: number) => text.repeat(Math.floor(length / text.length))

test.each([
  '.*',
  '/v[0-9]+/(users|groups)/[^/]+',
  '(?i)/Images/.*\\.(png|jpe?g)',
  '(?P<version>v\\d{1,3})',
  '[[:alpha:]]+\\Q.*\\E',
  '(a+)+$',
  '(a|a)*$',
  '\\p{L}+',
  'a{1000}',
  '[^/]{400}',
])('%s is accepted', (pattern) => {
  expect(checkRegularExpression(pattern)).toBeUndefined()
})

test.each<[string, string]>([
  ['', 'empty'],
  ['(', 'not an RE2 regular expression: missing closing )'],
  ['[a', 'missing closing ]'],
  ['(?<=a)b', 'not an RE2 regular expression'],
  ['(?=a)', 'not an RE2 regular expression'],
  ['(a)\\1', 'invalid escape sequence'],
  ['x**', 'invalid nested repetition operator'],
  ['a{2,1}', 'invalid repeat count'],
  ['\\p{Nowhere}', 'invalid character class range'],
  ['a'.repeat(1025), 'has 1025 characters: use at most 1024'],
  ['(\\p{L}{30}){30}', 'too costly'],
])('%s is refused', (pattern, message) => {
  expect(checkRegularExpression(pattern)).toContain(message)
})

test.each([
  '((a{100}){100}){100}',
  '(((a{1,10}){1,10}){1,10}){1,10}',
  times('a{0,999}', 1024),
  times('(|a){999}', 1024),
  times('(?:a|b{0,9}|c){0,99}', 1024),
  times('\\pL{999}', 1024),
  times('\\pL', 1024),
  `(?i)[${times('\\pL\\pN', 1000)}]`,
  times('[^\\pL\\pN\\pP]', 1024),
  `(?i)${times('[à-ž]', 1000)}`,
  `${'('.repeat(500)}${')'.repeat(500)}`,
  '('.repeat(1024),
  ')'.repeat(1024),
  '['.repeat(1024),
  '\\'.repeat(1023),
  times('{', 1024),
  `a${times('{9}', 1020)}`,
  `${times('(?:', 600)}x${times(')*', 400)}`,
  times('x*', 1024),
  times('(?i)k', 1024),
  times('a|', 1024),
])('a hostile pattern costs little time (%#)', (pattern) => {
  checkRegularExpression(pattern)
  // Time of this thread: a machine that others use takes longer, and that says nothing of the pattern.
  const before = process.threadCpuUsage()
  checkRegularExpression(pattern)
  const { user, system } = process.threadCpuUsage(before)
  expect((user + system) / 1000).toBeLessThan(50)
})

/** Program sizes as the C++ library reports them (google-re2 1.1, RE2::ProgramSize). */
test.each<[string, number]>([
  ['a{1000}', 1004],
  ['\\p{L}', 1200],
  ['\\p{L}{30}', 35_884],
  ['(\\p{L}{30}){10}', 358_824],
  ['[^a]', 12],
  ['.{1000}', 8004],
  ['(?i)k{300}', 1204],
  ['[^/]{500}', 4004],
  ['\\p{Han}{900}', 72_004],
  ['(?i)[à-ž]{900}', 9904],
  ['\\P{L}{100}', 119_804],
  ['[\\p{L}\\p{N}]{200}', 268_404],
  ['\\w{1000}', 3004],
  ['(|a){1000}', 4004],
  // As Envoy 1.40 reports it.
  ['\\PN\\Q\\E{1000}', 5004],
])('the estimate for %s is not below the real size %i', (pattern, size) => {
  expect(estimateProgramSize(pattern)).toBeGreaterThanOrEqual(size)
  if (size > maxRegularExpressionSize) expect(checkRegularExpression(pattern)).toContain('too costly')
})
