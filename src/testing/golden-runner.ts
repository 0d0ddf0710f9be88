import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { stringify } from 'yaml'
import { findEnvoy } from '../providers/local-envoy/envoy-binary.ts'
import { describeDifference } from './text-difference.ts'

/** One input with its expected outputs beside it. */
export interface GoldenCase {
  /** "topic-case". */
  readonly name: string
  /** `prelude.yaml` of the directory, if there is one, and the case's own objects. */
  readonly input: string
  readonly xdsFile: string
  readonly statusFile: string
}

export interface GoldenOutput {
  readonly xds: unknown
  readonly status: unknown
}

const inputEnd = '.in.yaml'

/**
 * The cases of a directory by name.
 * @throws an error for an output without an input: a case that was renamed would otherwise leave it behind
 */
export function listGoldens(directory: string): GoldenCase[] {
  const files = readdirSync(directory).sort()
  const preludeFile = join(directory, 'prelude.yaml')
  const prelude = existsSync(preludeFile) ? `${readFileSync(preludeFile, 'utf8')}\n---\n` : ''
  const cases = files
    .filter((file) => file.endsWith(inputEnd))
    .map((file) => {
      const name = file.slice(0, -inputEnd.length)
      return {
        name,
        input: prelude + readFileSync(join(directory, file), 'utf8'),
        xdsFile: join(directory, `${name}.xds.yaml`),
        statusFile: join(directory, `${name}.status.yaml`),
      }
    })
  const names = new Set(cases.map(({ name }) => name))
  for (const file of files) {
    const name = /^(.*)\.(?:xds|status)\.yaml$/.exec(file)?.[1]
    if (name !== undefined && !names.has(name))
      throw new Error(`${join(directory, file)} has no ${name}${inputEnd}: remove it, or rename it with its input`)
  }
  return cases
}

/**
 * Translates a case and compares the output with the files. UPDATE_GOLDENS=1 writes the files instead.
 * @throws an error that shows which lines differ
 */
export async function checkGolden(
  golden: GoldenCase,
  translate: (yaml: string) => Promise<GoldenOutput>,
  update = process.env['UPDATE_GOLDENS'] === '1',
): Promise<void> {
  const { xds, status } = await translate(golden.input)
  const problems = [
    compareFile(golden.xdsFile, formatGolden(xds), update),
    compareFile(golden.statusFile, formatGolden(status), update),
  ].filter((problem) => problem !== undefined)
  if (problems.length > 0) throw new Error(problems.join('\n\n'))
}

/** YAML whose lines change only where values change: nothing is folded, and no value refers to another. */
export function formatGolden(value: unknown): string {
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0, blockQuote: 'literal' })
}

const hint = 'UPDATE_GOLDENS=1 writes it; read the difference before you commit it'

function compareFile(file: string, actual: string, update: boolean): string | undefined {
  const expected = existsSync(file) ? readFileSync(file, 'utf8') : undefined
  if (expected === actual) return undefined
  if (update) {
    writeFileSync(file, actual)
    return undefined
  }
  if (expected === undefined) return `${file} is missing: ${hint}`
  return `${file} differs (- expected, + actual; ${hint}):\n${describeDifference(expected, actual)}`
}

/** A configuration that Envoy refuses. */
export interface Refusal {
  readonly name: string
  /** What Envoy says. */
  readonly message: string
}

/** How many Envoys check at a time: the machines that tests run on have two cores. */
const parallel = 2

/**
 * Lets stock Envoy check bootstraps with `--mode validate`, where unknown fields are errors.
 * @returns those that it refuses, in the order given
 */
export async function validateWithEnvoy(
  bootstraps: Iterable<readonly [name: string, bootstrap: unknown]>,
): Promise<Refusal[]> {
  const { path } = await findEnvoy(undefined)
  const directory = mkdtempSync(join(tmpdir(), 'gatewright-validate-'))
  const all = [...bootstraps]
  const messages = new Map<number, string>()
  const waiting = all.entries()
  const work = async () => {
    for (const [index, [, bootstrap]] of waiting) {
      const file = join(directory, `${index}.json`)
      writeFileSync(file, JSON.stringify(bootstrap))
      const message = await validateFile(path, file)
      if (message !== undefined) messages.set(index, message)
      rmSync(file)
    }
  }
  try {
    await Promise.all(Array.from({ length: parallel }, work))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  return all.flatMap(([name], index) => {
    const message = messages.get(index)
    return message === undefined ? [] : [{ name, message }]
  })
}

function validateFile(envoy: string, file: string): Promise<string | undefined> {
  const args = ['--mode', 'validate', '-c', file, '-l', 'error', '--use-dynamic-base-id', '--disable-hot-restart']
  return new Promise((resolve) => {
    execFile(envoy, args, { timeout: 60_000 }, (error, stdout, stderr) => {
      resolve(error === null ? undefined : `${stderr}${stdout}`.trim() || error.message)
    })
  })
}
