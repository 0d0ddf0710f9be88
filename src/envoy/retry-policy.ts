import { envoy } from '../gen/envoy.js'
import type { RouteRetry, RouteRuleNode } from '../graph/route-rule.ts'
import { buildDuration, packAny } from './any.ts'

type RetryPolicy = envoy.config.route.v3.RetryPolicy
type RouteAction = envoy.config.route.v3.RouteAction
const { PreviousHostsPredicate } = envoy.extensions.retry.host.previous_hosts.v3

/** Beyond this the connection manager's limit for idle streams would end a request before its own limit. */
const idleLimit = 300_000
const uint32Max = 0xffffffff

/**
 * Limits of time and retries. Envoy's default of 15 s would cut long answers that nobody asked to limit.
 * Without retries the limit of one try is a limit of the whole.
 */
export function buildTries(rule: RouteRuleNode): RouteAction {
  const { requestTimeout = 0, backendRequestTimeout = 0, retry } = rule
  const single = retry === undefined ? backendRequestTimeout : 0
  const timeout = requestTimeout > 0 && single > 0 ? Math.min(requestTimeout, single) : Math.max(requestTimeout, single)
  const unlimited = rule.requestTimeout === 0 && timeout === 0
  const action: RouteAction = { timeout: buildDuration(timeout) }
  if (unlimited || timeout > idleLimit) action.idleTimeout = buildDuration(timeout)
  if (retry) action.retryPolicy = buildRetryPolicy(retry, backendRequestTimeout)
  return action
}

/**
 * What never reached a backend is always tried again: a connection that failed, a stream that was refused
 * before anybody looked at it. Status codes only where they are listed.
 * @param tryTimeout milliseconds for one try; 0 = no limit
 */
function buildRetryPolicy({ attempts, codes, backoff }: RouteRetry, tryTimeout: number): RetryPolicy {
  // Envoy retries a try that ran out of time only together with every other try that a reset has ended. Who sets
  // both wants the first, and accepts that a request may be processed twice.
  const afterTimeout = tryTimeout > 0 ? ['reset'] : []
  const byCode = codes.length > 0 ? ['retriable-status-codes'] : []
  const base = backoff === undefined ? undefined : Math.max(1, backoff)
  return {
    retryOn: ['connect-failure', 'refused-stream', 'unavailable', ...afterTimeout, ...byCode].join(','),
    numRetries: { value: Math.min(attempts, uint32Max) },
    retriableStatusCodes: codes,
    ...(tryTimeout > 0 && { perTryTimeout: buildDuration(tryTimeout) }),
    ...(base !== undefined && { retryBackOff: { baseInterval: buildDuration(base) } }),
    // Another endpoint where there is one: the one that failed will most likely fail again.
    retryHostPredicate: [
      { name: 'envoy.retry_host_predicates.previous_hosts', typedConfig: packAny(PreviousHostsPredicate, {}) },
    ],
    hostSelectionRetryMaxAttempts: 5,
  }
}
