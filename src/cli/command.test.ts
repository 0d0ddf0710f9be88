import { describe, expect, test } from 'vitest'
import { integerOption, switchOption, UsageError } from '../config/option.ts'
import { files } from '../config/options.ts'
import { recordTerminal } from '../testing/recording-terminal.ts'
import { defineCommand, runCommandLine } from './command.ts'

const greet = defineCommand({
  name: 'greet',
  summary: 'Say hello.',
  description:
    'Says hello to everybody who is named, as often as you like, and goes on to explain itself at such length that the lines have to be broken.',
  examples: [['To two people', 'gatewright greet -f ada -f grace --times 2']],
  options: {
    files,
    times: integerOption('times', 'N', [1, 3], 1, 'How often.'),
    loud: switchOption('loud', 'In capitals.', 'l'),
  },
  run: async ({ files, times, loud }, terminal) => {
    terminal.out(`${files.join('+')} ${times} ${loud}\n`)
    return times === 3 ? 1 : 0
  },
})
const broken = defineCommand({
  name: 'broken',
  summary: 'Throw.',
  description: 'Throws.',
  examples: [],
  options: {},
  run: async () => {
    throw new Error('our bug')
  },
})

async function run(...argv: readonly string[]) {
  const terminal = recordTerminal()
  const code = await runCommandLine([greet, broken], argv, terminal)
  return { code, out: terminal.output(), err: terminal.errors() }
}

describe('a command line', () => {
  test('gives the command its options, and its exit status is that of the command', async () => {
    expect(await run('greet', '-f', 'ada', '--filename', 'grace', '--times', '2', '-l')).toEqual({
      code: 0,
      out: 'ada+grace 2 true\n',
      err: '',
    })
    expect((await run('greet', '-f', 'ada', '--times', '3')).code).toBe(1)
  })

  test.each([
    [['greet'], 'nothing to read: give -f'],
    [['greet', '-f', 'a', '--times', '9'], '--times "9" is not a whole number from 1 to 3'],
    [['greet', '-f', 'a', '--times', 'two'], '--times "two" is not a whole number'],
    [['greet', '-f', 'a', '--times', '1', '--times', '2'], '--times is given 2 times'],
    [['greet', '-f', 'a', '--lowd'], "Unknown option '--lowd'"],
    [['greet', '-f', 'a', 'b'], 'Unexpected argument'],
    [['greet', '-f'], 'argument missing'],
  ])('that is wrong is told in one line, with status 2: %j', async (argv, words) => {
    const { code, out, err } = await run(...argv)
    expect(code).toBe(2)
    expect(out).toBe('')
    expect(err).toContain(`gatewright greet: `)
    expect(err).toContain(words)
    expect(err).toContain('See "gatewright greet --help".')
    expect(err.trimEnd().split('\n')).toHaveLength(2)
  })

  test('with an unknown command names the known ones', async () => {
    const { code, err } = await run('serve')
    expect(code).toBe(2)
    expect(err).toBe('gatewright: unknown command "serve": use greet, broken\n')
  })

  test('without a command shows help, with status 2; asked for, with status 0', async () => {
    const bare = await run()
    expect(bare.code).toBe(2)
    expect(bare.out).toContain('Usage: gatewright COMMAND')
    for (const word of ['help', '--help', '-h']) expect(await run(word)).toEqual({ ...bare, code: 0 })
  })

  test('does not hide our bugs', async () => {
    await expect(run('broken')).rejects.toThrow('our bug')
    expect(new Error('our bug')).not.toBeInstanceOf(UsageError)
  })
})

describe('the help of a command', () => {
  test.each([[['greet', '--help']], [['greet', '-h', '--times', 'nonsense']], [['help', 'greet']]])(
    'is shown by %j',
    async (argv) => {
      const { code, out } = await run(...argv)
      expect(code).toBe(0)
      expect(out).toContain('Usage: gatewright greet [OPTIONS]')
      expect(out).toContain('# To two people')
      expect(out).toContain('-f, --filename PATH')
      expect(out).toContain('--times N')
      expect(out).toMatch(/How often\. Default: 1\./)
      expect(out).toContain('-l, --loud\n')
    },
  )

  test('has no line that is too long for a terminal', async () => {
    const { out } = await run('help', 'greet')
    expect(Math.max(...out.split('\n').map((l) => l.length))).toBeLessThanOrEqual(100)
  })
})
