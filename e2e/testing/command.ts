import { execFile } from 'node:child_process'
import process from 'node:process'

export interface CommandResult {
  readonly stdout: string
  readonly stderr: string
  /** Exit status; -1 when the program was ended by us. */
  readonly status: number
}

export interface CommandOptions {
  /** Goes to its standard input. */
  readonly input?: string
  /** Milliseconds after which it is ended. Default 60 s. */
  readonly limit?: number
  readonly env?: Readonly<Record<string, string>>
}

/** Runs a program to its end. @throws only if it cannot be started */
export function runCommand(
  file: string,
  args: readonly string[],
  { input = '', limit = 60_000, env }: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const options = { timeout: limit, maxBuffer: 64 * 1024 * 1024, env: { ...process.env, ...env } }
    const child = execFile(file, args, options, (error, stdout, stderr) => {
      if (error && typeof error.code === 'string') reject(error)
      else resolve({ stdout, stderr, status: error ? ((error.code as unknown as number | null) ?? -1) : 0 })
    })
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}
