import { expect, test } from 'vitest'
import { renderRefusal } from './refusal-message.ts'

test('the reason is told as it is', () => {
  const message = 'Error adding/updating cluster(s) c: missing ): abc(def'
  expect(renderRefusal(message)).toBe(message)
})

test.each([
  ['goo.gle/debugonly  \nname: "port-8080"\nvirtual_hosts {\n  name: "somebody-else"'],
  ['\nname: "s"\ntls_certificate { private_key { inline_string: "-----BEGIN PRIVATE KEY-----" } }'],
])('a printed resource is not', (message) => {
  expect(renderRefusal(message)).toBe('it breaks a rule of the Envoy API, and Envoy does not say which')
})

test('what stands before it is', () => {
  const message =
    'Proto constraint validation failed (SecretValidationError.Name: too short): goo.gle/debugstr name: "x"'
  expect(renderRefusal(message)).toBe('Proto constraint validation failed (SecretValidationError.Name: too short)')
})

test('and no more than a sentence', () => {
  expect(renderRefusal('x'.repeat(10_000))).toHaveLength(501)
})
