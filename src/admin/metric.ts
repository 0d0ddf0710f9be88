import { assert } from '../base/assert.ts'

/** One value now, under its labels. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

/** One metric with all its samples, read when somebody asks: nobody keeps a second copy of a number. */
export interface MetricFamily {
  /** `gatewright_<room>_<noun>_<unit>`; a counter ends in `_total`. */
  readonly name: string
  /** A counter only grows while the process lives. */
  readonly type: 'counter' | 'gauge'
  readonly help: string
  readonly samples: () => Iterable<Sample>
}

const metricName = /^[a-z][a-z0-9_]*$/
const labelName = /^[a-z_][a-z0-9_]*$/

/**
 * The text exposition format of Prometheus, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 * A family whose samples cannot be read is left out and told, because the others still say something.
 * @param onError told what the read threw
 */
export function renderMetrics(
  families: readonly MetricFamily[],
  onError: (family: MetricFamily, error: unknown) => void,
): string {
  const seen = new Set<string>()
  let text = ''
  for (const family of families) {
    const { name, type, help } = family
    assert(metricName.test(name) && !seen.has(name), `the metric name "${name}" is well-formed and used once`)
    seen.add(name)
    try {
      const lines = [...family.samples()].map((sample) => renderSample(name, sample))
      text += `# HELP ${name} ${escapeText(help)}\n# TYPE ${name} ${type}\n${lines.join('')}`
    } catch (error) {
      onError(family, error)
    }
  }
  return text
}

function renderSample(name: string, { labels = {}, value }: Sample): string {
  const pairs = Object.entries(labels).map(([label, content]) => {
    assert(labelName.test(label), `the label name "${label}" is well-formed`)
    return `${label}="${escapeText(content).replaceAll('"', '\\"')}"`
  })
  return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${renderValue(value)}\n`
}

function escapeText(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function renderValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return String(value)
}

/** A family of one sample without labels. */
export function singleMetric(type: MetricFamily['type'], name: string, help: string, read: () => number): MetricFamily {
  return { type, name, help, samples: () => [{ value: read() }] }
}
