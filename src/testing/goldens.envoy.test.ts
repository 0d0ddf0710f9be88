import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { listGoldens, validateWithEnvoy } from './golden-runner.ts'
import { loadGolden } from './golden-translation.ts'
import { buildStaticBootstraps } from './static-bootstrap.ts'

const cases = listGoldens(fileURLToPath(new URL('./goldens/', import.meta.url)))

async function buildBootstraps() {
  const bootstraps: [name: string, bootstrap: object][] = []
  for (const { name, input } of cases) {
    const { resources } = await loadGolden(input)
    const all = Object.values(resources).flatMap((collection) => [...collection.entries()].map(([, r]) => r))
    for (const [scope, bootstrap] of buildStaticBootstraps(all)) bootstraps.push([`${name} (${scope})`, bootstrap])
  }
  return bootstraps
}

test('stock Envoy accepts the configuration of every golden case', async () => {
  const bootstraps = await buildBootstraps()
  expect(bootstraps.length).toBeGreaterThanOrEqual(60)
  expect(await validateWithEnvoy(bootstraps)).toEqual([])
}, 600_000)

test('stock Envoy does refuse what is wrong', async () => {
  const [, good] = (await buildBootstraps()).find(([name]) => name.startsWith('gateway-http ')) ?? []
  const broken = JSON.parse(JSON.stringify(good).replace(/"cluster":"Service[^"]+"/, '"cluster":"nobody"'))
  const refusals = await validateWithEnvoy([
    ['unknown cluster', broken],
    ['good', good],
    ['unknown field', { ...good, nonsense: 1 }],
  ])
  expect(refusals.map((r) => r.name)).toEqual(['unknown cluster', 'unknown field'])
})
