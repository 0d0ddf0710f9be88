import { compareBy, compareStrings } from '../base/compare.ts'
import type { Collection } from '../collections/collection.ts'
import { tableTypes } from './order.ts'
import { typeUrls } from './resource.ts'
import { splitBarrierKey } from './retirement.ts'
import type { StreamState, TypeState } from './stream-state.ts'

/** How one type of resource stands at one proxy. */
export interface ProxyTypeStatus {
  /** e.g. "Cluster". */
  readonly type: string
  /** Resources that the proxy has accepted. */
  readonly resources: number
  /** Responses of this stream. */
  readonly sent: number
  readonly acked: number
  readonly nacked: number
  /** Resources that are wanted in another form than this proxy has or gets, because proxies refuse that. */
  readonly refused: number
  /** What the proxy said with its last refusal. */
  readonly lastRefusal?: string
  /** Sentences; empty when everything that is wanted is sent and accepted. */
  readonly waitsFor: readonly string[]
}

/** One connected proxy, as plain JSON: what the admin port tells and `gatewright proxy-status` prints. */
export interface ProxyStatus {
  /** The fleet that the proxy belongs to, e.g. the Gateway as "namespace/name". */
  readonly scope: string
  /** What the proxy calls itself, as its version below; believed for display only. */
  readonly node: string
  /** e.g. "envoy 1.40.0". */
  readonly agent: string
  readonly peer: string
  readonly variant: 'delta' | 'sotw'
  /** ISO 8601. */
  readonly connectedSince: string
  readonly bytesSent: number
  readonly settled: boolean
  /** Its listeners were taken away, because it is about to go. */
  readonly draining: boolean
  /** Tables and listeners that must be accepted before something unused is removed. */
  readonly removalsWaitFor: readonly string[]
  /** In the order in which they are sent. */
  readonly types: readonly ProxyTypeStatus[]
}

/** @param now the server's clock, in which `connectedAt` is, and the time of day, both in milliseconds */
export function listProxyStatuses(
  streams: Collection<string, StreamState>,
  now: { readonly monotonic: number; readonly date: number },
): ProxyStatus[] {
  return [...streams.entries()]
    .map(([, state]) => describeProxy(state, now))
    .sort(
      compareBy(
        (a, b) => compareStrings(a.scope, b.scope),
        (a, b) => compareStrings(a.node, b.node),
        (a, b) => compareStrings(a.connectedSince, b.connectedSince),
      ),
    )
}

const order: readonly string[] = Object.values(typeUrls)

function describeProxy(state: StreamState, now: { readonly monotonic: number; readonly date: number }): ProxyStatus {
  const { scope, nodeId, agent, peer, variant, connectedAt, bytesSent, isSettled, isDraining } = state
  return {
    scope,
    node: nodeId,
    agent,
    peer,
    variant,
    connectedSince: new Date(now.date - (now.monotonic - connectedAt)).toISOString(),
    bytesSent,
    settled: isSettled,
    draining: isDraining,
    removalsWaitFor: state.removalsWaitFor.map((key) => {
      const [typeUrl, name] = splitBarrierKey(key)
      return `${shortType(typeUrl)} ${name}`
    }),
    types: [...state.types].sort(compareBy((a, b) => placeOf(a.typeUrl) - placeOf(b.typeUrl))).map(describeType),
  }
}

function describeType(state: TypeState): ProxyTypeStatus {
  const { typeUrl, accepted, responses, acks, nacks, lastNack, refused, substituted } = state
  return {
    type: shortType(typeUrl),
    resources: accepted,
    sent: responses,
    acked: acks,
    nacked: nacks,
    refused: Math.max(refused, substituted),
    ...(lastNack !== undefined && { lastRefusal: lastNack }),
    waitsFor: listReasons(state),
  }
}

function listReasons({ typeUrl, inFlight, pending, refused, substituted }: TypeState): string[] {
  const reasons: string[] = []
  const unloadable = Math.max(refused, substituted)
  if (unloadable > 0) reasons.push(`a form that proxies load, of ${count(unloadable, 'resource')}`)
  if (inFlight > 0) {
    const what = `the answer to ${count(inFlight, 'response')}`
    // Envoy answers nothing about clusters while one of them warms.
    reasons.push(typeUrl === typeUrls.cluster ? `${what} (a cluster may be warming)` : what)
  }
  if (pending > 0) {
    const isTable = tableTypes.includes(typeUrl)
    const cause = isTable && inFlight > 0 ? 'after that answer' : 'when the proxy reads, or what it needs is there'
    reasons.push(`${count(pending, 'change')} to be sent ${cause}`)
  }
  return reasons
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

function shortType(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('.') + 1)
}

function placeOf(typeUrl: string): number {
  const place = order.indexOf(typeUrl)
  return place < 0 ? order.length : place
}
