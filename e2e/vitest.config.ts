import process from 'node:process'
import { configDefaults, defineConfig } from 'vitest/config'

// What needs kinds that the standard CRDs do not have.
const isStandard = process.env['GATEWRIGHT_E2E_CHANNEL'] !== 'experimental'

/** Tests on a cluster: one file after the other, since they share a machine and a control plane. */
export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['e2e/**/*.e2e.test.ts'],
    exclude: [...configDefaults.exclude, ...(isStandard ? ['e2e/**/*.experimental.e2e.test.ts'] : [])],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
    reporters: ['verbose'],
  },
})
