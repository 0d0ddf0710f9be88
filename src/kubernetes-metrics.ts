import { type MetricFamily, type Sample, singleMetric } from './admin/metric.ts'
import type { Clock } from './base/clock.ts'
import type { ElectionCounters } from './providers/kubernetes/leader-election.ts'
import type { ReconcileCounters } from './providers/kubernetes/reconcile-queue.ts'
import type { ReflectorCounters, ReflectorState } from './providers/kubernetes/reflector-health.ts'
import type { StatusCounters } from './providers/kubernetes/status-counters.ts'

/** How one kind is read, in one namespace or in all. */
export interface WatchedKind {
  /** For people, e.g. "HTTPRoute". */
  readonly kind: string
  /** '' for all of them. */
  readonly namespace?: string
  readonly state: ReflectorState
  readonly objects: number
  /** On the clock; undefined while a watch is open. */
  readonly blindSince: number | undefined
  readonly counters: ReflectorCounters
}

/** What the parts of a control plane in a cluster count. */
export interface KubernetesCounts {
  readonly clock: Clock
  readonly watchedKinds: () => Iterable<WatchedKind>
  readonly statusWrites: StatusCounters
  readonly election: { isLeader(): boolean; readonly counters: ElectionCounters }
  readonly provisioner: { readonly counters: ReconcileCounters; readonly pending: number }
  readonly tokenReviews: {
    readonly reviews: number
    readonly hits: number
    readonly failures: number
    readonly limited: number
  }
}

const states: readonly ReflectorState[] = ['loading', 'synced', 'failing', 'forbidden', 'absent']

/** The metrics of everything that talks to the API server. */
export function createKubernetesMetrics(counts: KubernetesCounts): readonly MetricFamily[] {
  const { election, provisioner, statusWrites, tokenReviews } = counts
  const number = (type: MetricFamily['type'], name: string, help: string, read: () => number) =>
    singleMetric(type, `gatewright_${name}`, help, read)
  return [
    ...createWatchMetrics(counts),
    {
      type: 'counter',
      name: 'gatewright_status_writes_total',
      help: 'Writes of statuses by kind and how they ended.',
      samples: () =>
        [...statusWrites.writes].flatMap(([kind, results]) =>
          Object.entries(results).map(([result, value]) => ({ labels: { kind, result }, value })),
        ),
    },
    number('counter', 'status_skipped_total', 'Statuses that were right already.', () => statusWrites.skipped),
    number('counter', 'status_clipped_total', 'Statuses that had to be shortened.', () => statusWrites.clipped),
    number('gauge', 'election_leader_count', '1 while this replica writes.', () => (election.isLeader() ? 1 : 0)),
    number('counter', 'election_terms_total', 'How often this replica became leader.', () => election.counters.terms),
    number('counter', 'election_renewals_total', 'Renewals of the Lease.', () => election.counters.renewals),
    number('counter', 'election_failures_total', 'Renewals that failed.', () => election.counters.failures),
    number(
      'counter',
      'infrastructure_reconciliations_total',
      'Looks at what a Gateway needs and has.',
      () => provisioner.counters.reconciliations,
    ),
    number(
      'counter',
      'infrastructure_failures_total',
      'Of these, how many the API server ended.',
      () => provisioner.counters.failures,
    ),
    number('gauge', 'infrastructure_pending_count', 'Gateways that wait for it.', () => provisioner.pending),
    number(
      'counter',
      'tokens_reviews_total',
      'Tokens of proxies that the API server reviewed.',
      () => tokenReviews.reviews,
    ),
    number('counter', 'tokens_hits_total', 'Tokens that were known already.', () => tokenReviews.hits),
    number('counter', 'tokens_failures_total', 'Reviews that failed.', () => tokenReviews.failures),
    number(
      'counter',
      'tokens_limited_total',
      'Reviews that were not asked for, being too many.',
      () => tokenReviews.limited,
    ),
  ]
}

function createWatchMetrics({ clock, watchedKinds }: KubernetesCounts): MetricFamily[] {
  const each = (
    type: MetricFamily['type'],
    name: string,
    help: string,
    read: (watched: WatchedKind) => number,
  ): MetricFamily => ({
    type,
    name: `gatewright_watch_${name}`,
    help,
    samples: () => [...watchedKinds()].map((watched) => ({ labels: labelsOf(watched), value: read(watched) })),
  })
  return [
    {
      type: 'gauge',
      name: 'gatewright_watch_state_count',
      help: 'How a kind is read: 1 for the state it is in. "forbidden" misses a right, "absent" a CRD.',
      *samples(): Iterable<Sample> {
        for (const watched of watchedKinds())
          for (const state of states)
            yield { labels: { ...labelsOf(watched), state }, value: watched.state === state ? 1 : 0 }
      },
    },
    each('gauge', 'objects_count', 'Objects that are known.', ({ objects }) => objects),
    each('gauge', 'blind_seconds', 'For how long changes may have been missed; 0 while a watch is open.', (watched) =>
      watched.blindSince === undefined ? 0 : (clock.now() - watched.blindSince) / 1000,
    ),
    each(
      'gauge',
      'longest_blind_seconds',
      'The longest of these so far.',
      ({ counters }) => counters.longestBlind / 1000,
    ),
    each('counter', 'events_total', 'Events of watches.', ({ counters }) => counters.events),
    each('counter', 'relists_total', 'Complete loads after the first.', ({ counters }) => counters.relists),
    each(
      'counter',
      'errors_total',
      'Lists and watches that failed.',
      ({ counters }) => counters.listErrors + counters.watchErrors,
    ),
    each('counter', 'malformed_total', 'Objects that could not be read.', ({ counters }) => counters.malformed),
  ]
}

function labelsOf({ kind, namespace = '' }: WatchedKind): Readonly<Record<string, string>> {
  return { kind, namespace }
}
