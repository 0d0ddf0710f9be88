import { describe, expect, test } from 'vitest'
import { recordTerminal } from '../testing/recording-terminal.ts'
import { runCommandLine } from './command.ts'
import type { PrintedStatus } from './offline.ts'
import { formatView, type RunningListener, type RunView, runCommand, type Standalone } from './run.ts'

const listener = (fields: Partial<RunningListener> = {}): RunningListener => ({
  name: 'http',
  protocol: 'HTTP',
  hostname: '',
  port: 80,
  url: 'http://127.0.0.1:10080/',
  attachedRoutes: 1,
  programmed: true,
  pending: false,
  note: 'port 80 moved to 10080',
  ...fields,
})
const view = (fields: Partial<RunView> = {}, listeners = [listener()]): RunView => ({
  gateways: [{ namespace: 'shop', name: 'edge', programmed: true, listeners, adminUrl: 'http://127.0.0.1:19000/' }],
  routes: [
    {
      kind: 'HTTPRoute',
      namespace: 'shop',
      name: 'cart',
      accepted: true,
      urls: ['http://shop.example.com:10080/cart'],
    },
  ],
  statuses: [],
  ...fields,
})
const status = (type: string, status: string, reason: string, message: string): PrintedStatus => ({
  kind: 'HTTPRoute',
  namespace: 'shop',
  name: 'cart',
  status: {},
  conditions: [{ about: 'parent shop/edge', condition: { type, status, reason, message, observedGeneration: 1 } }],
})

/** Runs the command over views that the test sets, and ends it when `script` is done. */
async function run(
  first: RunView,
  script: (show: (view: RunView) => void, terminal: ReturnType<typeof recordTerminal>) => void = () => {},
  argv: readonly string[] = [],
) {
  const terminal = recordTerminal()
  const written: [string, string][] = []
  const log: string[] = []
  let current = first
  let tell = () => {}
  const standalone: Standalone = {
    view: () => current,
    onChange: (listener) => {
      tell = listener
    },
    stop: async () => void log.push('stopped'),
  }
  const command = runCommand({
    start: async (options) => {
      log.push(`${options.files.join()} ${options.listenAddress} ${options.concurrency} ${options.strict}`)
      return standalone
    },
    untilSignal: async () => {
      script((view) => {
        current = view
        tell()
      }, terminal)
    },
    writeFile: (path, text) => void written.push([path, text]),
  })
  const code = await runCommandLine([command], ['run', '-f', 'manifests', ...argv], terminal)
  return { code, out: terminal.output(), err: terminal.errors(), written, log }
}

describe('gatewright run', () => {
  test('shows Gateways, listeners, routes and a curl line, then ends well and drains', async () => {
    const { code, out, log } = await run(view())
    expect(code).toBe(0)
    expect(log).toEqual(['manifests 127.0.0.1 2 false', 'stopped'])
    expect(out).toContain('shop/edge  http      HTTP      *         yes         1       http://127.0.0.1:10080/')
    expect(out).toContain('port 80 moved to 10080')
    expect(out).toContain('HTTPRoute  shop/cart  yes       http://shop.example.com:10080/cart')
    expect(out).toContain('curl -i --resolve shop.example.com:10080:127.0.0.1 http://shop.example.com:10080/cart\n')
    expect(out).toContain('Envoy admin of shop/edge: http://127.0.0.1:19000/')
    expect(out.trimEnd().endsWith('no new ones are taken.')).toBe(true)
  })

  test('hands its options on', async () => {
    const argv = ['-f', 'more', '--listen-address', '0.0.0.0', '--concurrency', '1', '--strict']
    expect((await run(view(), undefined, argv)).log[0]).toBe('manifests,more 0.0.0.0 1 true')
  })

  test('refuses an address that is none', async () => {
    const { code, err } = await run(view(), undefined, ['--listen-address', 'localhost'])
    expect(code).toBe(2)
    expect(err).toContain('--listen-address "localhost" is not an IP address')
  })

  test('waits with the table until what can be programmed is', async () => {
    const waiting = view({}, [listener({ programmed: false, pending: true, note: 'waiting' })])
    const { out } = await run(waiting, (show, terminal) => {
      expect(terminal.output()).toBe('')
      show(view())
      expect(terminal.output()).toContain('GATEWAY')
    })
    expect(out).not.toContain('waiting')
  })

  test('shows a listener that cannot be reached, without waiting for it', async () => {
    const { out } = await run(
      view({}, [listener(), listener({ name: 'tls', url: undefined, programmed: false, note: 'no certificate' })]),
    )
    expect(out).toContain('no certificate')
  })

  test('prints the table again only when it changes', async () => {
    const tables = (out: string) => out.split('GATEWAY').length - 1
    const { out } = await run(view(), (show, terminal) => {
      show(view())
      expect(tables(terminal.output())).toBe(1)
      show(view({}, [listener({ attachedRoutes: 2 })]))
    })
    expect(tables(out)).toBe(2)
  })

  test('tells a problem once, when it changes, and when it is over', async () => {
    const bad = (message: string) => view({ statuses: [status('ResolvedRefs', 'False', 'BackendNotFound', message)] })
    const { out } = await run(bad('Service "cart" not found'), (show) => {
      show(bad('Service "cart" not found'))
      show(bad('Service "cart" has no port 81'))
      show(view({ statuses: [status('ResolvedRefs', 'True', 'ResolvedRefs', '')] }))
    })
    const lines = out.split('\n').filter((line) => /^[✗✓]/.test(line))
    expect(lines).toEqual([
      '✗ HTTPRoute shop/cart (parent shop/edge): ResolvedRefs=False BackendNotFound: Service "cart" not found',
      '✗ HTTPRoute shop/cart (parent shop/edge): ResolvedRefs=False BackendNotFound: Service "cart" has no port 81',
      '✓ HTTPRoute shop/cart (parent shop/edge) ResolvedRefs is fine again',
    ])
  })

  test('does not call Pending a problem', async () => {
    const { out } = await run(view({ statuses: [status('Programmed', 'False', 'Pending', 'sent')] }))
    expect(out).not.toContain('✗')
  })

  test('writes the ready file after every change', async () => {
    const { written } = await run(view(), (show) => show(view({}, [listener({ attachedRoutes: 5 })])), [
      '--ready-file',
      '/tmp/ready',
    ])
    expect(written.map(([path]) => path)).toEqual(['/tmp/ready', '/tmp/ready'])
    expect(JSON.parse(written[0]?.[1] ?? '')).toEqual({ gateways: view().gateways, routes: view().routes })
    expect(written[1]?.[1]).toContain('"attachedRoutes": 5')
  })

  test('tells in one sentence why it cannot start, with status 1', async () => {
    const terminal = recordTerminal()
    const command = runCommand({
      start: async () => {
        throw new Error('no Envoy found: run "make deps"')
      },
      untilSignal: async () => {},
      writeFile: () => {},
    })
    expect(await runCommandLine([command], ['run', '-f', 'x'], terminal)).toBe(1)
    expect(terminal.errors()).toBe('gatewright run: no Envoy found: run "make deps"\n')
  })
})

describe('the table', () => {
  test('says so when there is no Gateway of ours', () => {
    expect(formatView({ gateways: [], routes: [], statuses: [] }, recordTerminal())).toBe(
      'No Gateway of a GatewayClass of this controller yet.\n',
    )
  })

  test('offers a curl line for HTTPS that works without DNS and without the authority', () => {
    const https = view(
      {
        routes: [
          {
            kind: 'HTTPRoute',
            namespace: 'shop',
            name: 'cart',
            accepted: true,
            urls: ['https://shop.example.com/cart'],
          },
        ],
      },
      [listener({ protocol: 'HTTPS', port: 443, url: 'https://127.0.0.5/' })],
    )
    expect(formatView(https, recordTerminal())).toContain(
      'curl -ik --resolve shop.example.com:443:127.0.0.5 https://shop.example.com/cart\n',
    )
  })

  test('needs no resolving where the URL has an address', () => {
    const plain = view({
      routes: [
        { kind: 'HTTPRoute', namespace: 'shop', name: 'cart', accepted: true, urls: ['http://127.0.0.1:10080/'] },
      ],
    })
    expect(formatView(plain, recordTerminal())).toContain('\ncurl -i http://127.0.0.1:10080/\n')
  })
})
