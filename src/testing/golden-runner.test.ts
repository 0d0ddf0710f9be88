import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkGolden, formatGolden, type GoldenCase, listGoldens } from './golden-runner.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gatewright-goldens-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const write = (name: string, text: string) => writeFileSync(join(directory, name), text)
const read = (name: string) => readFileSync(join(directory, name), 'utf8')

function only(): GoldenCase {
  const [golden, ...others] = listGoldens(directory)
  if (!golden || others.length > 0) throw new Error('expected one case')
  return golden
}

describe('listGoldens', () => {
  it('lists inputs by name, each after the prelude', () => {
    write('b-two.in.yaml', 'b: 2\n')
    write('a-one.in.yaml', 'a: 1\n')
    write('prelude.yaml', 'p: 0\n')
    write('a-one.xds.yaml', '')
    expect(listGoldens(directory).map(({ name, input }) => [name, input])).toEqual([
      ['a-one', 'p: 0\n\n---\na: 1\n'],
      ['b-two', 'p: 0\n\n---\nb: 2\n'],
    ])
  })

  it('does not overlook the output of a case that is gone', () => {
    write('a-old.status.yaml', '')
    expect(() => listGoldens(directory)).toThrow(/a-old\.status\.yaml has no a-old\.in\.yaml/)
  })
})

describe('checkGolden', () => {
  const output = { xds: { listeners: [{ name: 'x' }] }, status: [{ ok: true }] }
  const translate = async () => output

  beforeEach(() => write('a-one.in.yaml', 'a: 1\n'))

  it('writes the outputs when asked to, and then accepts them', async () => {
    await checkGolden(only(), translate, true)
    expect(read('a-one.xds.yaml')).toBe('listeners:\n  - name: x\n')
    expect(read('a-one.status.yaml')).toBe('- ok: true\n')
    await checkGolden(only(), translate, false)
  })

  it('hands over the whole input', async () => {
    const seen: string[] = []
    await checkGolden(
      only(),
      async (yaml) => {
        seen.push(yaml)
        return output
      },
      true,
    )
    expect(seen).toEqual(['a: 1\n'])
  })

  it('says which files are missing and how to write them', async () => {
    const error = checkGolden(only(), translate, false)
    await expect(error).rejects.toThrow(/a-one\.xds\.yaml is missing: UPDATE_GOLDENS=1/)
    await expect(checkGolden(only(), translate, false)).rejects.toThrow(/a-one\.status\.yaml is missing/)
  })

  it('shows the lines that differ', async () => {
    await checkGolden(only(), translate, true)
    const changed = async () => ({ ...output, xds: { listeners: [{ name: 'y' }] } })
    await expect(checkGolden(only(), changed, false)).rejects.toThrow(
      /a-one\.xds\.yaml differs.*\n listeners:\n- {2}- name: x\n\+ {2}- name: y/,
    )
  })
})

describe('formatGolden', () => {
  it('neither folds long texts nor replaces equal parts by aliases', () => {
    const part = { text: 'word '.repeat(60).trim() }
    const yaml = formatGolden({ a: part, b: part })
    expect(yaml.trim().split('\n')).toHaveLength(4)
    expect(yaml).not.toContain('&')
  })
})
