import { type Option, type OptionValues, parseOptions, UsageError } from '../config/option.ts'
import type { Terminal } from './terminal.ts'

type Options = Readonly<Record<string, Option<unknown>>>

/** What scripts can rely on. */
export const exitCodes = {
  /** Everything is as it should be. */
  success: 0,
  /** The command worked, and what it looked at has problems; or the world failed. */
  problems: 1,
  /** The command line is wrong. */
  usage: 2,
} as const

/** A subcommand: its options, its help, and what it does. */
export interface Command<O extends Options = Options> {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** A paragraph for its own help. */
  readonly description: string
  readonly examples: ReadonlyArray<readonly [comment: string, command: string]>
  readonly options: O
  /** @returns the exit status */
  readonly run: (values: OptionValues<O>, terminal: Terminal) => Promise<number>
}

/** Keeps the types of the options in `run` while commands are listed together. */
export function defineCommand<O extends Options>(command: Command<O>): Command {
  return command as unknown as Command
}

const program = 'gatewright'

/** Runs the command that `argv` names; usage errors are told in one line with a hint. */
export async function runCommandLine(
  commands: readonly Command[],
  argv: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const [name, ...rest] = argv
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    const topic = name === 'help' ? commands.find((c) => c.name === rest[0]) : undefined
    terminal.out(topic ? formatCommandHelp(topic) : formatProgramHelp(commands))
    return name === undefined ? exitCodes.usage : exitCodes.success
  }
  const command = commands.find((c) => c.name === (name === '--version' ? 'version' : name))
  if (!command) {
    terminal.err(`${program}: unknown command "${name}": use ${commands.map((c) => c.name).join(', ')}\n`)
    return exitCodes.usage
  }
  try {
    if (rest.includes('--help') || rest.includes('-h')) {
      terminal.out(formatCommandHelp(command))
      return exitCodes.success
    }
    return await command.run(parseOptions(command.options, rest), terminal)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    terminal.err(`${program} ${command.name}: ${error.message}\nSee "${program} ${command.name} --help".\n`)
    return exitCodes.usage
  }
}

export function formatProgramHelp(commands: readonly Command[]): string {
  const width = Math.max(...commands.map((c) => c.name.length))
  return [
    'Gatewright drives stock Envoy from Kubernetes Gateway API resources.',
    '',
    `Usage: ${program} COMMAND [OPTIONS]`,
    '',
    'Commands:',
    ...commands.map((c) => `  ${c.name.padEnd(width)}  ${c.summary}`),
    '',
    `"${program} COMMAND --help" tells the options of a command and shows examples.`,
    'Exit status: 0 all is well, 1 problems were found, 2 the command line is wrong.',
    '',
  ].join('\n')
}

export function formatCommandHelp(command: Command): string {
  const flags = Object.values(command.options).map((o) => {
    const short = o.short === undefined ? '    ' : `-${o.short}, `
    return [`${short}--${o.name}${o.value === undefined ? '' : ` ${o.value}`}`, o] as const
  })
  const lines = flags.flatMap(([flag, option]) => {
    const fallback = option.defaultText === undefined ? '' : ` Default: ${option.defaultText}.`
    return [`  ${flag}`, ...wrap(option.help + fallback, 76).map((line) => `        ${line}`)]
  })
  return [
    ...wrap(command.description, 90),
    '',
    `Usage: ${program} ${command.name} [OPTIONS]`,
    '',
    'Examples:',
    ...command.examples.flatMap(([comment, example]) => [`  # ${comment}`, `  ${example}`]),
    '',
    'Options:',
    ...lines,
    '',
  ].join('\n')
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
