import { spawnSync } from 'node:child_process'
import process from 'node:process'
import { expect, test } from 'vitest'

/** In a process of its own, with V8's own word for it. @returns what it prints */
function run(code: string): string {
  const imports = `import { holdBackTurboFan, releaseTurboFan } from '${new URL('compiler.ts', import.meta.url).href}'
    const call = async (f) => {
      for (let round = 0; round < 5; round++) {
        for (let i = 0; i < 300; i++) f(100)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      f(100)
      return %GetOptimizationStatus(f)
    }
    let made = 0
    // Functions of the same text would share what V8 knows of them.
    const make = () => new Function('n', 'let s = ' + ++made + '; for (let i = 0; i < n; i++) s += i % 7; return s')`
  const args = ['--allow-natives-syntax', '--input-type=module', '-e', `${imports}; ${code}`]
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  expect(stderr).toBe('')
  return stdout.trim()
}

test('A function that runs much is made best by TurboFan, but not while that is held back, and again after that', () => {
  const usual = 'const usual = await call(make())'
  const held = 'holdBackTurboFan(); const held = await call(make())'
  const after = 'releaseTurboFan(); const after = await call(make())'
  expect(run(`${usual}; ${held}; ${after}; console.log(usual === held, usual === after)`)).toBe('false true')
})
