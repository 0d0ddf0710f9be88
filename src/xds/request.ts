import { envoy } from '../gen/discovery.js'
import type { DeltaRequest, SotwRequest } from './stream.ts'

/** What a proxy says about itself; believed for display only, never for what it may have. */
export interface ProxyNode {
  readonly id: string
  readonly cluster: string
  /** e.g. `envoy 1.40.0`; empty if not told. */
  readonly agent: string
  /** `[1, 40, 0]` if told. */
  readonly version?: readonly [major: number, minor: number, patch: number]
}

export interface Decoded<Request> {
  readonly request: Request
  readonly node: ProxyNode | undefined
}

type WireNode = envoy.config.core.v3.Node

function nodeOf(node: WireNode | undefined | null): ProxyNode | undefined {
  if (!node) return undefined
  const name = node.userAgentName ?? ''
  const version = node.userAgentBuildVersion?.version
  const triple = version && ([version.majorNumber ?? 0, version.minorNumber ?? 0, version.patch ?? 0] as const)
  return {
    id: node.id ?? '',
    cluster: node.cluster ?? '',
    agent: [name, triple?.join('.')].filter(Boolean).join(' '),
    ...(triple && { version: triple }),
  }
}

/** @throws for malformed bytes */
export function decodeDeltaRequest(bytes: Uint8Array): Decoded<DeltaRequest> {
  const message = envoy.service.discovery.v3.DeltaDiscoveryRequest.decode(bytes)
  return {
    node: nodeOf(message.node),
    request: {
      typeUrl: message.typeUrl ?? '',
      nonce: message.responseNonce ?? '',
      error: message.errorDetail ? (message.errorDetail.message ?? '') : undefined,
      subscribe: message.resourceNamesSubscribe ?? [],
      unsubscribe: message.resourceNamesUnsubscribe ?? [],
      initialVersions: message.initialResourceVersions ?? {},
    },
  }
}

/** @throws for malformed bytes */
export function decodeSotwRequest(bytes: Uint8Array): Decoded<SotwRequest> {
  const message = envoy.service.discovery.v3.DiscoveryRequest.decode(bytes)
  return {
    node: nodeOf(message.node),
    request: {
      typeUrl: message.typeUrl ?? '',
      nonce: message.responseNonce ?? '',
      error: message.errorDetail ? (message.errorDetail.message ?? '') : undefined,
      names: message.resourceNames ?? [],
      version: message.versionInfo ?? '',
    },
  }
}
