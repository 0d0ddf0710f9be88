import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, expect, test } from 'vitest'

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatewright-heap-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** In a process of its own, whose flags nobody else has changed. @returns what it prints */
function run(code: string): string {
  const imports = `import { configureHeap, settleHeap } from '${new URL('heap.ts', import.meta.url).href}'
    import { readFileSync, writeFileSync } from 'node:fs'; import { Script } from 'node:vm'
    const file = ${JSON.stringify(join(folder, 'cache'))}; const text = '(function () { return 1 })'`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', `${imports}; ${code}`], {
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  return stdout.trim()
}

test('A start takes the code cache of a run whose heap was settled, when that is configured again', () => {
  const make = 'configureHeap(); const script = new Script(text); settleHeap();'
  const read = `configureHeap()
    console.log(new Script(text, { cachedData: readFileSync(file) }).cachedDataRejected)`
  run(`${make} writeFileSync(file, script.createCachedData())`)
  expect(run(read)).toBe('true')
  run(`${make} configureHeap(); writeFileSync(file, script.createCachedData())`)
  expect(run(read)).toBe('false')
})
