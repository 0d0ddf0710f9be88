import type { Rejection, ResourceAck } from '../acks.ts'
import type { Culprit } from '../isolation.ts'
import { typeUrls } from '../resource.ts'

/** What proxies say of one resource, as one replica hears it. */
export interface PeerAck {
  /** `ackKey(typeUrl, scope, name)`. */
  readonly key: string
  readonly ack: ResourceAck
}

/** One message of a report: what changed since the one before. */
export interface AckReport {
  /** undefined in place of an ack: nothing is known of the resource any more. */
  readonly changes: readonly (readonly [key: string, ack: ResourceAck | undefined])[]
  /** With this message everything has been told once. */
  readonly complete: boolean
}

/**
 * The one method between replicas: the caller says nothing and hears acks, for as long as it stays. JSON,
 * because both ends are this program; replicas of two versions meet while one is rolled out, so fields may only be added.
 */
export const peerService = {
  WatchAcks: {
    path: '/gatewright.peers.v1.Peers/WatchAcks',
    requestStream: false,
    responseStream: true,
    requestSerialize: (value: Buffer) => value,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (report: AckReport) => Buffer.from(encodeReport(report)),
    responseDeserialize: (bytes: Buffer) => decodeReport(bytes.toString()),
  },
} as const

const told: ReadonlySet<string> = new Set([typeUrls.listener, typeUrls.route, typeUrls.scopedRoute])

/** Statuses follow the acceptance of listeners and tables, and any refusal; of the rest nobody asks. */
export function isWorthTelling(key: string, ack: ResourceAck): boolean {
  return ack.rejected !== undefined || told.has(key.slice(0, key.indexOf('\n')))
}

export function encodeReport({ changes, complete }: AckReport): string {
  return JSON.stringify({
    complete,
    changes: changes.map(([key, ack]) => ({
      key,
      ...(ack?.ackedVersion !== undefined && { acked: ack.ackedVersion }),
      ...(ack?.rejected !== undefined && { rejected: ack.rejected }),
    })),
  })
}

/** @throws if it is not a report */
export function decodeReport(text: string): AckReport {
  const message = JSON.parse(text) as unknown
  if (!isRecord(message) || !Array.isArray(message['changes'])) throw new Error('not a report of acks')
  return { complete: message['complete'] === true, changes: message['changes'].map(decodeChange) }
}

function decodeChange(change: unknown): readonly [string, ResourceAck | undefined] {
  if (!isRecord(change) || typeof change['key'] !== 'string') throw new Error('a report of acks has a bad entry')
  const { key, acked, rejected } = change
  const ack: ResourceAck = {
    ...(typeof acked === 'string' && { ackedVersion: acked }),
    ...(isRecord(rejected) && { rejected: decodeRejection(rejected) }),
  }
  return [key, ack.ackedVersion === undefined && ack.rejected === undefined ? undefined : ack]
}

function decodeRejection({ version, message, culprits }: Readonly<Record<string, unknown>>): Rejection {
  return {
    version: String(version),
    message: String(message),
    ...(Array.isArray(culprits) && { culprits: culprits.filter(isRecord).map(decodeCulprit) }),
  }
}

function decodeCulprit({ name, sources, message }: Readonly<Record<string, unknown>>): Culprit {
  return { name: String(name), sources: Array.isArray(sources) ? sources.map(String) : [], message: String(message) }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
