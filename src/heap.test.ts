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
  const imports = `import { configureHeap, settleHeap, withUsualFlags } from '${new URL('heap.ts', import.meta.url).href}'
    import { readFileSync, writeFileSync } from 'node:fs'; import { Script } from 'node:vm'
    const file = ${JSON.stringify(join(folder, 'cache'))}; const text = '(function () { return 1 })'`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', `${imports}; ${code}`], {
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  return stdout.trim()
}

const make = 'const script = new Script(text)'
const save = 'writeFileSync(file, script.createCachedData())'
const isRejected = 'new Script(text, { cachedData: readFileSync(file) }).cachedDataRejected'

test('A start takes the code cache of a start, not that of a heap that was settled', () => {
  run(`configureHeap(); ${make}; withUsualFlags(() => {}); ${save}`)
  expect(run(`configureHeap(); console.log(${isRejected})`)).toBe('false')
  run(`configureHeap(); ${make}; settleHeap(); ${save}`)
  expect(run(`configureHeap(); console.log(${isRejected})`)).toBe('true')
})

test('The usual flags are those of a process that sets none', () => {
  run(`${make}; ${save}`)
  expect(run(`configureHeap(); withUsualFlags(() => console.log(${isRejected}))`)).toBe('false')
  expect(run(`configureHeap(); withUsualFlags(() => {}); console.log(${isRejected})`)).toBe('true')
})

test('A heap that is settled gives back what was left behind, without anybody making more', () => {
  const fill = 'let left = Array.from({ length: 500_000 }, (_, index) => ({ index, text: "text " + index })); left = []'
  const measure = 'setTimeout(() => console.log(process.memoryUsage().heapUsed < 20e6), 1_500)'
  expect(run(`configureHeap(); ${fill}; ${measure}`)).toBe('false')
  expect(run(`configureHeap(); ${fill}; settleHeap(); ${measure}`)).toBe('true')
})
