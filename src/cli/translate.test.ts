import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { recordTerminal } from '../testing/recording-terminal.ts'
import { runCommandLine } from './command.ts'
import type { OfflineResult, PrintedResource } from './offline.ts'
import { translateCommand } from './translate.ts'

const resource = (type: PrintedResource['type'], name: string): PrintedResource => ({
  type,
  gateway: 'shop/edge',
  name,
  resource: { name, nested: { list: [1, 2] } },
  sources: ['/Service/shop/cart'],
})
const resources = [resource('listener', 'port-80'), resource('route', 'port-80'), resource('cluster', 'cart')]

async function run(argv: readonly string[], result: Partial<OfflineResult> = {}) {
  const terminal = recordTerminal()
  const command = translateCommand(async () => ({ problems: [], statuses: [], resources, ...result }))
  const code = await runCommandLine([command], ['translate', '-f', '-', ...argv], terminal)
  return { code, out: terminal.output(), err: terminal.errors() }
}

describe('gatewright translate', () => {
  test.each(['yaml', 'json'])('prints every resource with what it was made from: %s', async (format) => {
    const { code, out } = await run(['-o', format])
    expect(code).toBe(0)
    expect(parse(out)).toEqual(
      resources.map(({ type, gateway, name, sources, resource }) => ({ type, gateway, name, sources, resource })),
    )
    expect(out.endsWith('\n')).toBe(true)
  })

  test('prints YAML unless told, without aliases for what is equal', async () => {
    const { out } = await run([])
    expect(out).toContain('- type: listener\n')
    expect(out).not.toMatch(/[&*]a1/)
  })

  test('prints only the wanted types', async () => {
    const types = async (...argv: readonly string[]) =>
      (parse((await run(argv)).out) as PrintedResource[]).map((r) => r.type)
    expect(await types('--type', 'route')).toEqual(['route'])
    expect(await types('--type', 'cluster', '--type', 'route')).toEqual(['route', 'cluster'])
    expect(await types('--type', 'secret')).toEqual([])
  })

  test('refuses a type that does not exist', async () => {
    const { code, err } = await run(['--type', 'virtualhost'])
    expect(code).toBe(2)
    expect(err).toContain('use listener, route, cluster, endpoint, secret')
  })

  test('prints what could be read, tells the rest on standard error, and exits with 1', async () => {
    const { code, out, err } = await run(['-o', 'json'], { problems: [{ severity: 'error', text: 'a.yaml:1:1: bad' }] })
    expect(code).toBe(1)
    expect(err).toBe('a.yaml:1:1: bad\n')
    expect(JSON.parse(out)).toHaveLength(3)
  })
})
