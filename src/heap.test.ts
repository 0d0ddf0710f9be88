import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const dist = fileURLToPath(new URL('../dist', import.meta.url))
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatewright-heap-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** In a process of its own, whose flags and modules are those of a start. @returns what it prints */
function run(...args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 20_000 })
  expect(stderr).not.toContain('Error')
  return stdout.trim()
}

describe('The program as it is built', () => {
  test('has a code cache that V8 takes, although the run that filled it may have settled its heap', () => {
    const code = `import { loadBundle } from '${new URL('bundle.ts', import.meta.url).href}'
      console.log(loadBundle(${JSON.stringify(dist)}).script.cachedDataRejected)`
    expect(run('--input-type=module', '-e', code)).toBe('false')
  })

  test('configures its heap when whatever it takes of Node.js is loaded, whose code caches V8 would not take then', () => {
    const hook = join(folder, 'hook.cjs')
    writeFileSync(
      hook,
      `require('node:v8').setFlagsFromString = () => {
        console.log(process.moduleLoadList.join())
        process.exit()
      }`,
    )
    const place = ['--kubeconfig', join(folder, 'none'), '--xds-address=127.0.0.1:0', '--admin-address=127.0.0.1:0']
    const loaded = run('--require', hook, join(dist, 'main.js'), 'serve', '--log-level=error', ...place).split(',')
    for (const name of ['crypto', 'http', 'http2', 'https', 'net', 'tls'])
      expect(loaded).toContain(`NativeModule ${name}`)
  })
})
