import { expect, test } from 'vitest'
import { checkHeaderChange } from './http-header.ts'

test('an ordinary header can be set, added and removed in both directions', () => {
  for (const kind of ['set', 'add', 'remove'] as const)
    for (const direction of ['request', 'response'] as const)
      expect(checkHeaderChange(kind, 'X-A', direction, '100%')).toBeUndefined()
})

test('what is no header name is refused, and quoted so that it fits on a line', () => {
  for (const name of ['', ':path', 'a b', 'a\r\nb'])
    expect(checkHeaderChange('remove', name, 'request')).toContain('is not a header name')
  expect(checkHeaderChange('remove', 'a\r\nb', 'request')).toContain('"a\\r\\nb"')
  expect(checkHeaderChange('remove', 'a'.repeat(256), 'request')).toBeUndefined()
  expect(checkHeaderChange('remove', 'a'.repeat(2 ** 20), 'request')?.length).toBeLessThan(200)
})

test('a value that Envoy would translate before it reads escapes is refused (A12)', () => {
  for (const value of [
    '%DYNAMIC_METADATA(["\\u0025ENVIRONMENT(HOME)\\u0025"])%',
    'a%UPSTREAM_METADATA( ["\\u0025"])%',
    '%PER_REQUEST_STATE(a)%',
  ])
    expect(checkHeaderChange('set', 'x-a', 'request', value)).toContain('Envoy cannot send')
  for (const value of ['DYNAMIC_METADATA(["a"])', '%METADATA(ROUTE:a)%', '%REQ(x)%'])
    expect(checkHeaderChange('add', 'x-a', 'response', value)).toBeUndefined()
})
