import { createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { probeBind } from './port-binding.ts'

const server = createServer()
afterEach(() => void server.close())

describe('the probe of a port', () => {
  it('finds a port free, in use, and free again', async () => {
    const port = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
    })
    expect(await probeBind('127.0.0.1', port)).toBe('in-use')
    expect(await probeBind('127.0.0.3', port)).toBe('free')
    await new Promise((resolve) => server.close(resolve))
    expect(await probeBind('127.0.0.1', port)).toBe('free')
    // The probe itself holds nothing.
    expect(await probeBind('127.0.0.1', port)).toBe('free')
  })

  it('says that an address is not of this machine', async () => {
    expect(await probeBind('192.0.2.7', 8080)).toBe('no-address')
  })
})
