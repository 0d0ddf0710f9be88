import { expect, test } from 'vitest'
import { recordTerminal } from '../testing/recording-terminal.ts'
import { runCommandLine } from './command.ts'
import { type PrintedProxy, type PrintedProxyType, proxyStatusCommand } from './proxy-status.ts'

const now = Date.parse('2026-05-01T12:00:00Z')

const type = (name: string, more: Partial<PrintedProxyType> = {}): PrintedProxyType => ({
  type: name,
  resources: 3,
  sent: 5,
  acked: 5,
  nacked: 0,
  refused: 0,
  waitsFor: [],
  ...more,
})

const proxy = (node: string, more: Partial<PrintedProxy> = {}): PrintedProxy => ({
  scope: 'shop/edge',
  node,
  agent: 'envoy 1.40.0',
  connectedSince: '2026-05-01T11:52:48Z',
  settled: true,
  draining: false,
  types: [type('Cluster'), type('RouteConfiguration', { resources: 1 })],
  ...more,
})

async function run(argv: readonly string[], answer: unknown, status = 200) {
  const terminal = recordTerminal()
  const asked: string[] = []
  const command = proxyStatusCommand({
    get: async (url) => {
      asked.push(url)
      if (answer instanceof Error) throw answer
      return { status, body: typeof answer === 'string' ? answer : JSON.stringify(answer) }
    },
    now: () => now,
  })
  const code = await runCommandLine([command], ['proxy-status', ...argv], terminal)
  return { code, out: terminal.output(), err: terminal.errors(), asked }
}

test('proxies are listed with what was sent to them', async () => {
  const { code, out, asked } = await run([], { proxies: [proxy('shop/edge-1'), proxy('shop/edge-2')] })
  expect(asked).toEqual(['http://127.0.0.1:19001/debug/proxies'])
  expect(code).toBe(0)
  expect(out).toBe(
    [
      'GATEWAY    NODE         PROXY         CONNECTED  STATE',
      'shop/edge  shop/edge-1  envoy 1.40.0  7m12s      settled',
      'shop/edge  shop/edge-2  envoy 1.40.0  7m12s      settled',
      '',
      'NODE         TYPE                HAS  SENT  ACKED  NACKED  WAITS FOR',
      'shop/edge-1  Cluster             3    5     5      0       -',
      'shop/edge-1  RouteConfiguration  1    5     5      0       -',
      'shop/edge-2  Cluster             3    5     5      0       -',
      'shop/edge-2  RouteConfiguration  1    5     5      0       -',
      '',
    ].join('\n'),
  )
})

test('what a proxy waits for stands in its row', async () => {
  const waiting = type('Cluster', { waitsFor: ['the answer to 2 responses (a cluster may be warming)'] })
  const { code, out } = await run([], { proxies: [proxy('a', { settled: false, draining: true, types: [waiting] })] })
  expect(code).toBe(0)
  expect(out).toContain('draining, waits: Cluster\n')
  expect(out).toContain('the answer to 2 responses (a cluster may be warming)\n')
})

test('a refusal is told with what the proxy said, and is the exit status', async () => {
  const refused = type('RouteConfiguration', {
    nacked: 1,
    refused: 1,
    lastRefusal: 'missing ): \u001b[2J(',
    waitsFor: ['a form that proxies load, of 1 resource'],
  })
  const { code, out } = await run([], { proxies: [proxy('a', { types: [refused] })] })
  expect(code).toBe(1)
  expect(out).toContain('a refused RouteConfiguration: missing ): \ufffd[2J(\n')
})

test('a refusal that is mended is history', async () => {
  const mended = type('RouteConfiguration', { nacked: 1, lastRefusal: 'missing )' })
  const { code, out } = await run([], { proxies: [proxy('a', { types: [mended] })] })
  expect(code).toBe(0)
  expect(out).not.toContain('missing )')
})

test('scripts get what the server tells', async () => {
  const proxies = [proxy('a')]
  expect(JSON.parse((await run(['-o', 'json'], { proxies })).out)).toEqual(proxies)
  expect((await run(['-o', 'yaml'], { proxies })).out).toContain('node: a\n')
})

test('nobody connected is no problem', async () => {
  expect(await run([], { proxies: [] })).toMatchObject({ code: 0, out: 'No proxy is connected.\n' })
})

test.each([
  [new Error('connect ECONNREFUSED 127.0.0.1:19001'), 200, 'ECONNREFUSED'],
  ['Only for callers on the loopback interface.', 403, 'it answered 403: Only for callers'],
  ['<html>', 200, 'the answer is no JSON'],
  [{ gateways: [] }, 200, 'lists no proxies'],
  ['null', 200, 'lists no proxies'],
])('a server that does not tell is a problem with a sentence: %s', async (answer, status, sentence) => {
  const { code, err } = await run(['--server', 'http://10.0.0.1:19001/'], answer, status)
  expect(code).toBe(1)
  expect(err).toContain('gatewright proxy-status: http://10.0.0.1:19001 does not tell: ')
  expect(err).toContain(sentence)
})

test('a server that is no URL is a usage error', async () => {
  expect(await run(['--server', 'localhost:19001'], {})).toMatchObject({ code: 2, asked: [] })
})
