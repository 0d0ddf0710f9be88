import { expect, test } from 'vitest'
import { isLocalHost } from './local-address.ts'

test.each([
  '127.0.0.1',
  '127.255.1.2',
  '0.0.0.0',
  '0.1.2.3',
  '169.254.169.254',
  '::1',
  '0:0:0:0:0:0:0:1',
  '::',
  'fe80::1',
  'febf::1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::ffff:169.254.169.254',
  'localhost',
  'LOCALHOST',
  'localhost.',
  'a.localhost',
])('%s is local', (host) => {
  expect(isLocalHost(host)).toBe(true)
})

test.each([
  '10.0.0.1',
  '128.0.0.1',
  '169.253.0.1',
  '1.127.0.0',
  '2001:db8::1',
  'fec0::1',
  '::ffff:10.0.0.1',
  'localhost.example.com',
  'mylocalhost',
])('%s is not', (host) => {
  expect(isLocalHost(host)).toBe(false)
})
