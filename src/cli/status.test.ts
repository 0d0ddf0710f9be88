import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { recordTerminal } from '../testing/recording-terminal.ts'
import { runCommandLine } from './command.ts'
import type { OfflineResult, PrintedCondition, PrintedStatus } from './offline.ts'
import { isBad, statusCommand } from './status.ts'

const condition = (type: string, status: string, reason = type, message = ''): PrintedCondition => ({
  type,
  status,
  reason,
  message,
  observedGeneration: 1,
})
const route = (...conditions: readonly PrintedCondition[]): PrintedStatus => ({
  kind: 'HTTPRoute',
  namespace: 'shop',
  name: 'cart',
  status: { parents: [{ conditions }] },
  conditions: conditions.map((c) => ({ about: 'parent shop/edge', condition: c })),
})
const gatewayClass: PrintedStatus = {
  kind: 'GatewayClass',
  namespace: '',
  name: 'gatewright',
  status: { conditions: [condition('Accepted', 'True')] },
  conditions: [{ about: '', condition: condition('Accepted', 'True') }],
}

async function run(result: Partial<OfflineResult>, argv: readonly string[] = [], interactive = false) {
  const terminal = recordTerminal(interactive)
  const asked: unknown[] = []
  const command = statusCommand(async (paths, controllerNames) => {
    asked.push(paths, controllerNames)
    return { problems: [], statuses: [], resources: [], ...result }
  })
  const code = await runCommandLine([command], ['status', '-f', 'manifests', ...argv], terminal)
  return { code, out: terminal.output(), err: terminal.errors(), asked }
}

describe('gatewright status', () => {
  test('asks for the given files and the usual controller', async () => {
    const { asked } = await run({}, ['-f', 'more'])
    expect(asked).toEqual([['manifests', 'more'], ['gatewright.dev/gateway-controller']])
    expect((await run({}, ['--controller-name', 'example.com/a'])).asked[1]).toEqual(['example.com/a'])
  })

  test('prints a table, and exits with 0 when all is well', async () => {
    const good = route(condition('Accepted', 'True'), condition('ResolvedRefs', 'True'))
    const { code, out, err } = await run({ statuses: [gatewayClass, good] })
    expect(code).toBe(0)
    expect(err).toBe('')
    expect(out).toBe(
      [
        'KIND          NAMESPACE  NAME        ACCEPTED  RESOLVED  PROGRAMMED',
        'GatewayClass  -          gatewright  True      -         -',
        'HTTPRoute     shop       cart        True      True      -',
        '',
      ].join('\n'),
    )
  })

  test('tells each problem with its message, and exits with 1', async () => {
    const bad = route(
      condition('Accepted', 'True'),
      condition('ResolvedRefs', 'False', 'BackendNotFound', 'Service "cart" not found'),
    )
    const { code, out } = await run({ statuses: [bad] })
    expect(code).toBe(1)
    expect(out).toContain('False (BackendNotFound)')
    expect(out).toContain(
      'HTTPRoute shop/cart (parent shop/edge): ResolvedRefs=False BackendNotFound: Service "cart" not found\n',
    )
  })

  test('shows the worst of several parents', async () => {
    const mixed = route(condition('Accepted', 'True'), condition('Accepted', 'False', 'NoMatchingParent', 'why'))
    expect((await run({ statuses: [mixed] })).out).toMatch(/cart {2,}False \(NoMatchingParent\)/)
  })

  test('does not take Unknown for a problem: offline nobody can be asked', async () => {
    const { code, out } = await run({ statuses: [route(condition('Programmed', 'Unknown', 'Pending'))] })
    expect(code).toBe(0)
    expect(out).toContain('Unknown')
  })

  test('knows the conditions that are good when they are False', () => {
    expect(isBad(condition('Conflicted', 'False'))).toBe(false)
    expect(isBad(condition('Conflicted', 'True'))).toBe(true)
    expect(isBad(condition('PartiallyInvalid', 'True'))).toBe(true)
    expect(isBad(condition('Accepted', 'False'))).toBe(true)
    expect(isBad(condition('Accepted', 'True'))).toBe(false)
  })

  test('tells what is wrong with files on standard error, and exits with 1 for errors only', async () => {
    const error = await run({ problems: [{ severity: 'error', text: 'a.yaml:3:1: bad indentation' }] })
    expect(error).toMatchObject({ code: 1, err: 'a.yaml:3:1: bad indentation\n' })
    const warning = await run({ problems: [{ severity: 'warning', text: 'a.yaml:3:1: ignored' }] })
    expect(warning).toMatchObject({ code: 0, err: 'a.yaml:3:1: ignored\n' })
  })

  test('says so when there is nothing of ours', async () => {
    expect((await run({})).out).toContain('No GatewayClass of this controller')
  })

  test.each(['json', 'yaml'])('prints the statuses as the API has them with -o %s', async (format) => {
    const { code, out } = await run({ statuses: [gatewayClass] }, ['-o', format])
    expect(code).toBe(0)
    expect(parse(out)).toEqual([
      { kind: 'GatewayClass', namespace: '', name: 'gatewright', status: gatewayClass.status },
    ])
    if (format === 'json') expect(() => JSON.parse(out)).not.toThrow()
  })

  test('colours problems for people only, and lets messages do nothing to the terminal', async () => {
    const bad = route(condition('Accepted', 'False', 'X', 'cleared\u001b[2J'))
    expect((await run({ statuses: [bad] }, [], true)).out).toContain('\u001b[31mHTTPRoute shop/cart')
    const { out } = await run({ statuses: [bad] })
    expect(out).not.toContain('\u001b')
    expect(out).toContain('cleared\ufffd[2J')
  })
})
