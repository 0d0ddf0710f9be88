import { isIP } from 'node:net'
import { expect, test } from 'vitest'
import { ipVersion } from './ip-version.ts'

test.each([
  ...['192.0.2.1', '192.0.2.256', '192.0.2', '', 'example.com', '*.example.com', '2001:db8::1', '::', '::1%eth0'],
  ...['::ffff:192.0.2.1', '2001:db8::g', '1:2:3:4:5:6:7:8:9', '[::1]', 'host:80', '192.0.2.1:80'],
])('The version of %j is what Node.js says', (text) => {
  expect(ipVersion(text)).toBe(isIP(text))
})
