import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { findEnvoy } from './envoy-binary.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gatewright-test-'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(directory, { recursive: true, force: true })
})

/** A program whose `--version` says what Envoy's says. */
async function makeBinary(version: string): Promise<string> {
  const path = join(directory, 'envoy')
  await writeFile(path, `#!/bin/sh\necho "\n$0  version: 9e5580/${version}/Clean/RELEASE/BoringSSL\n"\n`)
  await chmod(path, 0o755)
  return path
}

describe('looking for Envoy', () => {
  it('tells path and version of the one that is given', async () => {
    const path = await makeBinary('1.39.2')
    expect(await findEnvoy(path)).toEqual({ path, version: '1.39.2' })
  })

  it('takes the one that GATEWRIGHT_ENVOY names before the one that is installed', async () => {
    const path = await makeBinary('1.38.0')
    vi.stubEnv('GATEWRIGHT_ENVOY', path)
    expect(await findEnvoy(undefined)).toEqual({ path, version: '1.38.0' })
  })

  it.each(['1.37.5', '1.41.0', '2.0.0'])('refuses version %s and says which ones work', async (version) => {
    const path = await makeBinary(version)
    await expect(findEnvoy(path)).rejects.toThrow(
      `Envoy ${version} at ${path} is not supported: use 1.38 to 1.40 ("make deps" installs one)`,
    )
  })

  it('refuses what is not Envoy', async () => {
    await expect(findEnvoy('/bin/echo')).rejects.toThrow('/bin/echo is not Envoy: its --version says "')
  })

  it('says how to get one when the given one is not there', async () => {
    await expect(findEnvoy('/nonexistent/envoy')).rejects.toThrow(
      'Envoy at /nonexistent/envoy cannot be run (there is no such file): run "make deps", set GATEWRIGHT_ENVOY, or give --envoy',
    )
  })
})
