import { expect, test } from 'vitest'
import { renderMetrics } from './admin/metric.ts'
import { createKubernetesMetrics } from './kubernetes-metrics.ts'
import { StatusCounters } from './providers/kubernetes/status-counters.ts'

test('What talks to the API server tells its counters, and the kind that it may not read', () => {
  const statusWrites = new StatusCounters()
  statusWrites.count('HTTPRoute', 'written')
  const counters = {
    relists: 1,
    watches: 2,
    watchErrors: 3,
    listErrors: 4,
    events: 5,
    bookmarks: 6,
    staleEvents: 7,
    malformed: 8,
    longestBlind: 1500,
  }
  const text = renderMetrics(
    createKubernetesMetrics({
      clock: { now: () => 5_000, after: () => () => {} },
      watchedKinds: () => [{ kind: 'GRPCRoute', state: 'forbidden', objects: 0, blindSince: 2_000, counters }],
      statusWrites,
      election: { isLeader: () => true, counters: { renewals: 9, failures: 0, terms: 1 } },
      provisioner: { counters: { reconciliations: 3, failures: 1 }, pending: 2 },
      tokenReviews: { reviews: 4, hits: 5, failures: 6, limited: 7 },
    }),
    (family, error) => {
      throw new Error(family.name, { cause: error })
    },
  )
  for (const line of [
    'gatewright_watch_state_count{kind="GRPCRoute",namespace="",state="forbidden"} 1',
    'gatewright_watch_state_count{kind="GRPCRoute",namespace="",state="synced"} 0',
    'gatewright_watch_blind_seconds{kind="GRPCRoute",namespace=""} 3',
    'gatewright_watch_longest_blind_seconds{kind="GRPCRoute",namespace=""} 1.5',
    'gatewright_watch_errors_total{kind="GRPCRoute",namespace=""} 7',
    'gatewright_status_writes_total{kind="HTTPRoute",result="written"} 1',
    'gatewright_election_leader_count 1',
    'gatewright_infrastructure_pending_count 2',
    'gatewright_tokens_limited_total 7',
  ])
    expect(text).toContain(`\n${line}\n`)
})
