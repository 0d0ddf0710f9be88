import { execFile } from 'node:child_process'
import { accessSync, constants, globSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { packageRoot } from '../../base/package-root.ts'

export interface EnvoyBinary {
  readonly path: string
  /** e.g. "1.40.0". */
  readonly version: string
}

/** Minor releases of Envoy 1 that are tested with; what is outside is refused, because fields may be ignored silently. */
const supported = { oldest: 38, newest: 40 } as const

/**
 * Finds a usable Envoy: the given path, else $GATEWRIGHT_ENVOY, else the one that `make deps` installs,
 * else `envoy` on the PATH.
 * @throws an error that says how to get one, or which versions are supported
 */
export async function findEnvoy(given: string | undefined): Promise<EnvoyBinary> {
  const path = given ?? process.env['GATEWRIGHT_ENVOY'] ?? findInstalled() ?? findOnPath()
  if (path === undefined) throw new Error('no Envoy found: run "make deps", set GATEWRIGHT_ENVOY, or give --envoy')
  const version = await readVersion(path)
  const [major, minor] = version.split('.').map(Number)
  if (major !== 1 || minor === undefined || minor < supported.oldest || minor > supported.newest)
    throw new Error(
      `Envoy ${version} at ${path} is not supported: use 1.${supported.oldest} to 1.${supported.newest} ("make deps" installs one)`,
    )
  return { path, version }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function findInstalled(): string | undefined {
  return globSync(join(packageRoot, '.venv/lib/python3*/site-packages/envoy/_bin/envoy')).find(isExecutable)
}

function findOnPath(): string | undefined {
  const directories = (process.env['PATH'] ?? '').split(delimiter).filter((d) => d !== '')
  return directories.map((d) => join(d, 'envoy')).find(isExecutable)
}

async function readVersion(path: string): Promise<string> {
  let output: string
  try {
    output = (await promisify(execFile)(path, ['--version'], { timeout: 10_000 })).stdout
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : String(error)
    throw new Error(
      `Envoy at ${path} cannot be run (${reason}): run "make deps", set GATEWRIGHT_ENVOY, or give --envoy`,
    )
  }
  const version = /version: [0-9a-f]+\/(\d+\.\d+\.\d+)/.exec(output)?.[1]
  if (version === undefined)
    throw new Error(`${path} is not Envoy: its --version says ${JSON.stringify(output.slice(0, 80))}`)
  return version
}
