import { describe, expect, test } from 'vitest'
import { type MetricFamily, renderMetrics, singleMetric } from './metric.ts'

const unexpected = (family: MetricFamily, error: unknown) => {
  throw new Error(`${family.name} cannot be read`, { cause: error })
}

describe('The metrics', () => {
  test('are told with help, type, labels and values', () => {
    const families: MetricFamily[] = [
      singleMetric('gauge', 'gatewright_xds_streams_count', 'Connected proxies.', () => 3),
      {
        name: 'gatewright_xds_acks_total',
        type: 'counter',
        help: 'Accepted.',
        samples: () => [{ labels: { type: 'Cluster', scope: 'a' }, value: 1.5 }, { value: 2 }],
      },
    ]
    expect(renderMetrics(families, unexpected)).toBe(`# HELP gatewright_xds_streams_count Connected proxies.
# TYPE gatewright_xds_streams_count gauge
gatewright_xds_streams_count 3
# HELP gatewright_xds_acks_total Accepted.
# TYPE gatewright_xds_acks_total counter
gatewright_xds_acks_total{type="Cluster",scope="a"} 1.5
gatewright_xds_acks_total 2
`)
  })

  test('cannot be broken by what a label says', () => {
    const value = 'a"} 1\nforged 7 \\'
    const text = renderMetrics(
      [{ name: 'm', type: 'gauge', help: 'two\nlines', samples: () => [{ labels: { v: value }, value: 1 }] }],
      unexpected,
    )
    expect(text).toBe('# HELP m two\\nlines\n# TYPE m gauge\nm{v="a\\"} 1\\nforged 7 \\\\"} 1\n')
  })

  test('tell values that are no finite numbers as Prometheus spells them', () => {
    const of = (value: number) => renderMetrics([singleMetric('gauge', 'm', 'h', () => value)], unexpected)
    expect(of(Number.POSITIVE_INFINITY)).toContain('\nm +Inf\n')
    expect(of(Number.NEGATIVE_INFINITY)).toContain('\nm -Inf\n')
    expect(of(Number.NaN)).toContain('\nm NaN\n')
  })

  test('leave out the family that throws, name it, and tell the others', () => {
    const failed: string[] = []
    const broken = singleMetric('gauge', 'broken', 'h', () => {
      throw new Error('no')
    })
    const text = renderMetrics([broken, singleMetric('gauge', 'good', 'h', () => 1)], (f) => void failed.push(f.name))
    expect(failed).toEqual(['broken'])
    expect(text).toBe('# HELP good h\n# TYPE good gauge\ngood 1\n')
  })

  test('refuse a name that is malformed or used twice', () => {
    const family = singleMetric('gauge', 'a', 'h', () => 1)
    expect(() => renderMetrics([family, family], unexpected)).toThrow('"a" is well-formed and used once')
    expect(() => renderMetrics([singleMetric('gauge', 'a b', 'h', () => 1)], unexpected)).toThrow('"a b"')
  })
})
