import { describe, expect, it } from 'vitest'
import { listCoveringHostnames } from './virtual-host.ts'

describe('the hostnames whose rules a virtual host has', () => {
  it.each([
    ['a.b.example.com', '', ['a.b.example.com', '*.b.example.com', '*.example.com', '*.com', '*']],
    ['a.b.example.com', '*.example.com', ['a.b.example.com', '*.b.example.com', '*.example.com']],
    ['a.b.example.com', 'a.b.example.com', ['a.b.example.com']],
    ['*.b.example.com', '*.example.com', ['*.b.example.com', '*.example.com']],
    ['*.example.com', '*.example.com', ['*.example.com']],
    ['localhost', '', ['localhost', '*']],
    ['*', '', ['*']],
  ])('for %s on a listener for "%s" are its own and the wider ones of the listener', (hostname, listener, expected) => {
    expect(listCoveringHostnames(hostname, listener)).toEqual(expected)
  })
})
