import { expect, test } from 'vitest'
import { recordTerminal } from '../testing/recording-terminal.ts'
import { runCommandLine } from './command.ts'
import { type Versions, versionCommand } from './version.ts'

const versions: Versions = { gatewright: '0.1.0', node: '26.0.0', gatewayApi: '1.7.0', envoy: '1.40.0' }

async function run(argv: readonly string[], found = versions) {
  const terminal = recordTerminal()
  const asked: unknown[] = []
  const command = versionCommand(async (path) => {
    asked.push(path)
    return found
  })
  return { code: await runCommandLine([command], argv, terminal), out: terminal.output(), asked }
}

test('versions are printed for people and for scripts', async () => {
  expect(await run(['version'])).toEqual({
    code: 0,
    out: 'gatewright  0.1.0\nenvoy       1.40.0\nnode        26.0.0\ngateway api 1.7.0\n',
    asked: [undefined],
  })
  expect(JSON.parse((await run(['version', '-o', 'json'])).out)).toEqual(versions)
})

test('a missing Envoy is no error, and the way to get one is told', async () => {
  const { code, out } = await run(['version'], { ...versions, envoy: undefined })
  expect(code).toBe(0)
  expect(out).toContain('not found: run "make deps" or give --envoy')
})

test('--version does what version does, and another binary can be asked', async () => {
  expect((await run(['--version'])).out).toContain('0.1.0')
  expect((await run(['version', '--envoy', '/opt/envoy'])).asked).toEqual(['/opt/envoy'])
})
