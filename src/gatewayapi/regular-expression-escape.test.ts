import { expect, test } from 'vitest'
import { checkEscapes } from './regular-expression-escape.ts'

test('general categories and scripts that Envoy knows are taken, negated ones too', () => {
  for (const pattern of ['\\p{L}', '\\pL', '\\P{Greek}', '\\p{^Lu}', '[\\p{Kawi}\\P{Nd}]', '\\p{Any}'])
    expect(checkEscapes(pattern), pattern).toBeUndefined()
})

test('younger scripts and properties are refused, whatever stands before them', () => {
  for (const pattern of ['\\p{Garay}', '\\P{^Alphabetic}', 'a\\\\\\p{White_Space}', '[^\\p{Lc}]', '\\Qa\\E\\p{Cn}'])
    expect(checkEscapes(pattern), pattern).toContain('Envoy does not know the class')
})

test('codes above a byte are refused', () => {
  for (const pattern of ['\\x{100}', '[\\x{d800}]', '\\x{10FFFF}', '\\777'])
    expect(checkEscapes(pattern), pattern).toContain('write the character itself')
  for (const pattern of ['\\x{ff}', '\\x{00041}', '\\xff', '\\377', '\\07'])
    expect(checkEscapes(pattern), pattern).toBeUndefined()
})

test('literal text and escaped backslashes are no escapes', () => {
  for (const pattern of ['\\Q\\p{Garay}\\E', '\\\\p{Garay}', '\\\\x{100}', '\\Q\\777'])
    expect(checkEscapes(pattern), pattern).toBeUndefined()
})
