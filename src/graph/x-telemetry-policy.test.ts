import { describe, expect, it } from 'vitest'
import { namespacedName } from '../gatewayapi/object-key.ts'
import { GraphFixture, serviceYaml } from '../testing/builders.ts'

/** What of `spec.tracing` is wrong, and whether something is traced. */
function resolve(tracing: object) {
  const provider = { backendRef: { name: 'otel', port: 80 } }
  const policy = {
    apiVersion: 'gateway.networking.x-k8s.io/v1alpha1',
    kind: 'XTelemetryPolicy',
    metadata: { name: 'traces' },
    spec: {
      targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'web' }],
      tracing: { mode: 'Enabled', provider, ...tracing },
    },
  }
  const { graph } = new GraphFixture(`${serviceYaml('otel')}---\n${JSON.stringify(policy)}`)
  const node = graph.telemetryPolicies.get(namespacedName('default', 'traces'))
  return {
    traces: node?.tracing !== undefined,
    problems: node?.problems.map(({ on, reason, path, message }) => `${on} ${reason} ${path}: ${message}`),
  }
}

const literals = (count: number, length: number) => ({
  attributes: Array.from({ length: count }, (_, index) => ({
    name: String(index).padStart(24, 'a'),
    sourceType: 'Literal',
    literalValue: 'x'.repeat(length),
  })),
})

describe('attributes', () => {
  it('may have 512 KiB together, which five spans of one export fit with', () => {
    expect(resolve(literals(512, 1000))).toEqual({ traces: true, problems: [] })
  })

  it('of more are told, and nothing is traced: collectors would refuse every export', () => {
    expect(resolve(literals(512, 1001))).toEqual({
      traces: false,
      problems: [
        'Accepted UnsupportedValue spec.tracing.attributes: 513 KiB are more than collectors take: use at most 512 KiB',
      ],
    })
  })

  it('count as bytes', () => {
    const umlauts = { name: 'a', sourceType: 'Literal', literalValue: 'ü'.repeat(1024) }
    const attributes = Array.from({ length: 300 }, (_, index) => ({ ...umlauts, name: `a${index}` }))
    expect(resolve({ attributes }).traces).toBe(false)
  })
})

describe('a sampling rate', () => {
  const parentBasedSampling = { mode: 'Disabled' }

  it.each([
    [{ numerator: 1, denominator: 1_000_000 }, true],
    [{ numerator: 1, denominator: 1_000_001 }, false],
    [{ numerator: 0, denominator: 5 }, true],
  ])('%j where callers do not decide is in force: %s', (samplingRate, traces) => {
    expect(resolve({ samplingRate, parentBasedSampling }).traces).toBe(traces)
    expect(resolve({ samplingRate }).traces).toBe(true)
  })
})
