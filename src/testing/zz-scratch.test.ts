import { mkdtempSync, writeFileSync } from 'node:fs'
import { it, expect } from 'vitest'
import { silentLogger } from '../base/logger.ts'
import { createOfflineControlPlane } from '../control-plane.ts'
import { bindToOwnPorts } from '../offline.ts'
import { applyObjects, parseObjects, testControllerName } from './builders.ts'
import { listGoldens, validateWithEnvoy } from './golden-runner.ts'
import { buildStaticBootstraps } from './static-bootstrap.ts'

it('all', async () => {
  const all: [string, unknown][] = []
  const bad: string[] = []
  for (const g of listGoldens('src/testing/goldens')) {
    try {
      const cp = createOfflineControlPlane({ controllerNames: [testControllerName], logger: silentLogger, rethrow: true })
      bindToOwnPorts(cp)
      applyObjects(cp, parseObjects(g.input))
      const rs = Object.values(cp.resources).flatMap((c) => [...c.entries()].map(([, r]) => r))
      for (const [s, b] of buildStaticBootstraps(rs)) { all.push([`${g.name} ${s}`, b]); writeFileSync(`/tmp/rb/${g.name}.${s.replaceAll('/', '_')}.json`, JSON.stringify(b, null, 1)) }
    } catch (e) { bad.push(g.name + ': ' + (e as Error).message.slice(0, 300)) }
  }
  console.log(all.length, bad)
  console.log(await validateWithEnvoy(all))
}, 300000)
