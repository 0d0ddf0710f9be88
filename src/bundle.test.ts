import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundleEnd, bundleFile, bundleStart, codeCacheFile } from './bundle.ts'

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatewright-bundle-'))
  const program = "console.log(require('node:path').basename(bundleUrl), Object.keys(exports))"
  writeFileSync(join(folder, bundleFile), `${bundleStart}${program}${bundleEnd}`)
})
afterAll(() => rmSync(folder, { recursive: true }))

/** In a process of its own: V8 keeps what one process has compiled. @returns what the program and `after` print */
function run(after: string): string[] {
  const module = new URL('bundle.ts', import.meta.url).href
  const code = `import { loadBundle } from '${module}'; import { writeFileSync } from 'node:fs'
    const { script, run } = loadBundle(${JSON.stringify(folder)}); run(); ${after}`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
  expect(stderr).toBe('')
  return stdout.trim().split('\n')
}
const isRejected = 'console.log(script.cachedDataRejected)'

describe('A bundle', () => {
  test('runs without a code cache, and takes one that an earlier run has made', () => {
    const cache = join(folder, codeCacheFile)
    const save = `writeFileSync(${JSON.stringify(cache)}, script.createCachedData())`
    expect(run(save)).toEqual([`${bundleFile} []`])
    expect(run(isRejected)).toEqual([`${bundleFile} []`, 'false'])
  })

  test('runs, too, when V8 does not take the code cache', () => {
    const cache = join(folder, codeCacheFile)
    writeFileSync(cache, readFileSync(cache).fill(1, 0, 64))
    expect(run(isRejected)).toEqual([`${bundleFile} []`, 'true'])
  })
})
