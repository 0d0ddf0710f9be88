/** Plain numbers for metrics; they only grow, except `streams`. */
export class XdsCounters {
  /** Connected now. */
  streams = 0
  streamsOpened = 0
  /** Streams that were refused for want of a credential. */
  streamsRefused = 0
  /** Streams of whom it could not be found out who they are. */
  authenticationFailures = 0
  /** Streams that were cut because the proxy stopped reading. */
  streamsCut = 0
  readonly responses = new Map<string, number>()
  readonly resourcesSent = new Map<string, number>()
  readonly resourcesRemoved = new Map<string, number>()
  readonly acks = new Map<string, number>()
  readonly nacks = new Map<string, number>()
  bytesSent = 0
  largestMessage = 0
  /** Tables that were sent although a slow cluster that they use was not accepted in time. */
  waitsRunOut = 0
  /** Streams that did not ask for clusters within 30 s. */
  missingClusterSubscriptions = 0

  add(counter: Map<string, number>, typeUrl: string, amount = 1): void {
    counter.set(typeUrl, (counter.get(typeUrl) ?? 0) + amount)
  }
}
