import { readdirSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import process from 'node:process'
import { type MetricFamily, singleMetric } from './metric.ts'

/** What any process tells, under the names that dashboards for Prometheus know, and how punctual our event loop is. */
export function createProcessMetrics(): readonly MetricFamily[] {
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  const startedAt = Date.now() / 1000 - process.uptime()
  return [
    singleMetric('counter', 'process_cpu_seconds_total', 'CPU time of the process, user and system.', () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1e6
    }),
    singleMetric('gauge', 'process_resident_memory_bytes', 'Memory of the process that is in RAM.', () =>
      process.memoryUsage.rss(),
    ),
    singleMetric('gauge', 'process_start_time_seconds', 'When the process started, in Unix time.', () => startedAt),
    singleMetric('gauge', 'process_open_fds', 'Open file descriptors; -1 where they cannot be counted.', countFiles),
    singleMetric('gauge', 'nodejs_heap_size_used_bytes', 'Heap in use.', () => process.memoryUsage().heapUsed),
    {
      name: 'gatewright_admin_event_loop_delay_seconds',
      type: 'gauge',
      help: 'How late the event loop was since the last scrape.',
      samples() {
        // The timer behind the histogram is itself up to one resolution late.
        const samples = [
          { labels: { quantile: '0.5' }, value: delay.percentile(50) / 1e9 },
          { labels: { quantile: '0.99' }, value: delay.percentile(99) / 1e9 },
          { labels: { quantile: '1' }, value: delay.max / 1e9 },
        ]
        delay.reset()
        return samples
      },
    },
  ]
}

function countFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return -1
  }
}
