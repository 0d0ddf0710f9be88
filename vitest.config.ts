import { defineConfig } from 'vitest/config'

/** Tests that start stock Envoy share two cores and real ports with nothing else. */
const envoyTests = ['src/**/*.envoy.test.ts']

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'e2e/**/*.test.ts'],
          exclude: [...envoyTests, 'e2e/**/*.e2e.test.ts'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'envoy',
          include: envoyTests,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
