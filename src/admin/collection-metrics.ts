import type { CollectionStatistics } from '../collections/inspection.ts'
import type { SchedulerStatistics } from '../collections/scheduler.ts'
import { type MetricFamily, singleMetric } from './metric.ts'

/** What the engine counts. `read` is called once per family and scrape. */
export function createCollectionMetrics(read: () => SchedulerStatistics): readonly MetricFamily[] {
  const each = (
    type: MetricFamily['type'],
    name: string,
    help: string,
    pick: (collection: CollectionStatistics) => number,
  ): MetricFamily => ({
    type,
    name,
    help,
    samples: () => read().collections.map((c) => ({ labels: { collection: c.name }, value: pick(c) })),
  })
  return [
    singleMetric(
      'counter',
      'gatewright_collections_batches_total',
      'How often the network was settled.',
      () => read().batches,
    ),
    each(
      'gauge',
      'gatewright_collections_entries_count',
      'Entries of a collection, or keys of an index.',
      (c) => c.size,
    ),
    each(
      'counter',
      'gatewright_collections_computations_total',
      'Entries that were computed, again or for the first time.',
      (c) => c.computations,
    ),
    each(
      'counter',
      'gatewright_collections_failures_total',
      'Computations that threw, which is a bug of Gatewright: the last good value stays.',
      (c) => c.failures,
    ),
  ]
}
