import { type MetricFamily, type Sample, singleMetric } from './admin/metric.ts'
import type { Clock } from './base/clock.ts'
import type { Leadership } from './leadership.ts'
import type { KindStatus } from './providers/kubernetes/kind-reader.ts'
import type { KubernetesProvider } from './providers/kubernetes/kubernetes-provider.ts'
import type { Reflector } from './providers/kubernetes/reflector.ts'
import type { TokenReviewer } from './providers/kubernetes/token-reviewer.ts'
import type { XdsCertificate } from './providers/kubernetes/xds-certificate.ts'
import type { PeerAcks } from './xds/peers/peer-acks.ts'

/** Everything of a cluster that counts something. */
export interface ClusterParts {
  readonly provider: KubernetesProvider
  readonly leadership: Leadership
  readonly reviewer: TokenReviewer
  readonly certificate: XdsCertificate
  readonly peers: PeerAcks
  /** What is read beside the kinds of the provider, by what it is read for. */
  readonly watches: Readonly<Record<string, readonly Reflector[]>>
  readonly clock: Clock
}

/** What the control plane tells of its dealings with the API server. */
export function createClusterMetrics(parts: ClusterParts): readonly MetricFamily[] {
  const { leadership, reviewer, certificate, peers } = parts
  const { election, writer, provisioner, selectorServices, appliers } = leadership
  const provisioners = [provisioner, selectorServices]
  return [
    ...createKindMetrics(parts),
    createWatchMetric(parts),
    {
      name: 'gatewright_status_writes_total',
      type: 'counter',
      help: 'Writes of statuses by kind and by how they ended.',
      samples: () => [...writer.counters.writes].flatMap(([kind, results]) => labelled('result', results, { kind })),
    },
    singleMetric('counter', 'gatewright_status_skipped_total', 'Statuses that were right already.', () => {
      return writer.counters.skipped
    }),
    singleMetric('gauge', 'gatewright_status_queue_count', 'Objects whose status waits to be written.', () => {
      return writer.state.waiting
    }),
    singleMetric('gauge', 'gatewright_status_oldest_seconds', 'How long the one that waits longest has waited.', () => {
      return writer.state.oldestAge / 1000
    }),
    {
      name: 'gatewright_infrastructure_objects_total',
      type: 'counter',
      help: 'What was done to objects of Gateways and XBackends. refused: they belong to somebody else. yielded: fields left to others.',
      samples: () => labelled('result', sumCounters(appliers.map((applier) => ({ ...applier.counters })))),
    },
    singleMetric('counter', 'gatewright_infrastructure_failures_total', 'Attempts that failed.', () => {
      return sum(provisioners.map(({ counters }) => counters.failures))
    }),
    singleMetric(
      'gauge',
      'gatewright_infrastructure_pending_count',
      'Gateways and XBackends that something is to be done for.',
      () => {
        return sum(provisioners.map(({ pending }) => pending))
      },
    ),
    singleMetric(
      'gauge',
      'gatewright_infrastructure_changing_class_count',
      'Gateways that still have something of a class that they had earlier.',
      () => provisioner.changingClass,
    ),
    singleMetric('gauge', 'gatewright_election_leader_status', '1 while this replica leads.', () => {
      return leadership.isLeader() ? 1 : 0
    }),
    singleMetric(
      'counter',
      'gatewright_election_failures_total',
      'Attempts to read or write the Lease that failed.',
      () => {
        return election.counters.failures
      },
    ),
    {
      name: 'gatewright_authentication_tokens_total',
      type: 'counter',
      help: 'Tokens of proxies: reviews asked for, answered from memory, failed, and held back by the rate limit.',
      samples: () => labelled('result', { ...reviewer.counters }),
    },
    {
      name: 'gatewright_certificate_expiry_seconds',
      type: 'gauge',
      help: 'When what proxies trust runs out, in Unix time.',
      samples: () => {
        const { expiry } = certificate
        return expiry
          ? labelled('of', { certificate: expiry.certificate / 1000, authority: expiry.authority / 1000 })
          : []
      },
    },
    singleMetric(
      'counter',
      'gatewright_certificate_failures_total',
      'Attempts to read or write the authority of the xDS server that failed.',
      () => certificate.counters.failures,
    ),
    {
      name: 'gatewright_peers_replicas_count',
      type: 'gauge',
      help: 'Other replicas, and those of them whose proxies are completely known.',
      samples: () => labelled('state', { known: peers.state.peers, heard: peers.state.complete }),
    },
  ]
}

const states = ['loading', 'synced', 'failing', 'forbidden', 'absent'] as const

function createKindMetrics({ provider, clock }: ClusterParts): readonly MetricFamily[] {
  const each = (
    type: MetricFamily['type'],
    noun: string,
    help: string,
    pick: (status: KindStatus) => number | undefined,
  ): MetricFamily => ({
    type,
    name: `gatewright_kubernetes_${noun}`,
    help,
    samples: () =>
      Object.entries(provider.status().kinds).flatMap(([kind, status]) => {
        const value = pick(status)
        return value === undefined ? [] : [{ labels: { kind }, value }]
      }),
  })
  return [
    {
      name: 'gatewright_kubernetes_kinds_status',
      type: 'gauge',
      help: '1 for the state that the reading of each kind is in.',
      samples: () =>
        Object.entries(provider.status().kinds).flatMap(([kind, { state }]) =>
          states.map((s) => ({ labels: { kind, state: s }, value: s === state ? 1 : 0 })),
        ),
    },
    each('gauge', 'objects_count', 'Objects in force.', (s) => s.objects),
    each('gauge', 'refused_objects_count', 'Objects that our schema refuses; the last good one is in force.', (s) => {
      return s.refusedObjects
    }),
    each('counter', 'events_total', 'Events of watches.', (s) => s.counters.events),
    each('counter', 'relists_total', 'Complete loads after the first.', (s) => s.counters.relists),
    each('counter', 'watch_errors_total', 'Watches that did not end in good order.', (s) => s.counters.watchErrors),
    each('counter', 'malformed_total', 'Objects and lines that made no sense.', (s) => s.counters.malformed),
    each(
      'gauge',
      'blind_seconds',
      'For how long changes would have gone unnoticed; absent while they would not.',
      (s) => {
        return s.blindSince === undefined ? undefined : (clock.now() - s.blindSince) / 1000
      },
    ),
  ]
}

/** The worst of the reflectors that read one kind in several namespaces. */
const severity = ['forbidden', 'failing', 'absent', 'loading', 'synced'] as const

function createWatchMetric({ watches }: ClusterParts): MetricFamily {
  return {
    name: 'gatewright_kubernetes_watches_status',
    type: 'gauge',
    help: '1 for the state that the reading of other objects is in, by what they are read for.',
    samples: () =>
      Object.entries(watches).flatMap(([purpose, reflectors]) =>
        [...new Set(reflectors.map(({ kind }) => kind))].flatMap((kind) => {
          const found = new Set(reflectors.filter((r) => r.kind === kind).map((r) => r.state))
          const worst = severity.find((state) => found.has(state))
          return states.map((state) => ({ labels: { for: purpose, kind, state }, value: state === worst ? 1 : 0 }))
        }),
      ),
  }
}

function labelled(
  label: string,
  values: Readonly<Record<string, number>>,
  more: Readonly<Record<string, string>> = {},
): Sample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { ...more, [label]: name }, value }))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, number) => all + number, 0)
}

/** Counters of one kind, name by name. */
function sumCounters(counters: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const names = new Set(counters.flatMap((each) => Object.keys(each)))
  return Object.fromEntries([...names].map((name) => [name, sum(counters.map((each) => each[name] ?? 0))]))
}
