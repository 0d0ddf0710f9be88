import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { checkGolden, formatGolden, listGoldens } from './golden-runner.ts'
import { translateGolden } from './golden-translation.ts'

/* What manifests become, told by example: goldens/README.md. */

const cases = listGoldens(fileURLToPath(new URL('./goldens/', import.meta.url)))

describe('golden', () => {
  test.each(cases)('$name', async (golden) => {
    await checkGolden(golden, translateGolden)
  })

  test('cases are many, and each says in its first line what it shows', () => {
    expect(cases.length).toBeGreaterThanOrEqual(60)
    for (const { name, input } of cases)
      expect(
        input.split('\n---\n').some((text) => /^# \S.{10,}[.:]?$/m.test(text)),
        name,
      ).toBe(true)
  })

  test('outputs never show a private key', async () => {
    const https = cases.find(({ name }) => name === 'https-terminate')
    const { xds, status } = await translateGolden(https?.input ?? '')
    const text = formatGolden([xds, status])
    expect(text).toContain('Secret/default/golden-test-certificate')
    expect(text).toContain('BEGIN CERTIFICATE')
    expect(text).not.toContain('PRIVATE KEY')
  })

  test('outputs do not depend on the order of the objects', async () => {
    for (const { name, input } of cases) {
      const reversed = input
        .split(/\n---\n/)
        .reverse()
        .join('\n---\n')
      expect(formatGolden(await translateGolden(reversed)), name).toBe(formatGolden(await translateGolden(input)))
    }
  }, 120_000)
})
