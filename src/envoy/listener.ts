import { assert } from '../base/assert.ts'
import { compareStrings } from '../base/compare.ts'
import { envoy } from '../gen/envoy.js'
import type { GatewayBinding } from '../graph/gateway-binding.ts'
import type { ListenerNode } from '../graph/listener.ts'
import type { ProxyProfile } from '../graph/proxy-parameters.ts'
import { packAny } from './any.ts'
import { buildPlainChain, buildSecureChain } from './filter-chain.ts'
import { buildHeaderPolicy } from './header-policy.ts'
import type { ServedTable } from './http-connection-manager.ts'
import { listenerName, secretName, tableName } from './names.ts'

const { Listener } = envoy.config.listener.v3
const { TlsInspector } = envoy.extensions.filters.listener.tls_inspector.v3

const kibibyte = 1024

const tlsInspector = { name: 'envoy.filters.listener.tls_inspector', typedConfig: packAny(TlsInspector, {}) }

export interface EncodedListener {
  readonly bytes: Uint8Array
  /** Names of the secrets that its chains use, sorted. */
  readonly secrets: readonly string[]
}

/**
 * The Envoy Listener of one port of a Gateway. Its name is the port as users write it, wherever it is bound.
 * @param listeners the accepted listeners of the port in any order: at least one, all of one protocol
 * @param bucketsOf how a table is divided
 */
export function buildListener(
  listeners: readonly ListenerNode[],
  binding: GatewayBinding,
  profile: ProxyProfile,
  bucketsOf: (table: string) => ServedTable['buckets'] = () => 1,
): EncodedListener {
  const [first] = listeners
  assert(
    first && listeners.every((l) => l.protocol === first.protocol && l.port === first.port),
    'an Envoy listener is made of the listeners of one port, which have one protocol',
  )
  const served = (listener: ListenerNode): ServedTable => {
    const name = tableName(listener)
    return { name, buckets: bucketsOf(name) }
  }
  const policy = buildHeaderPolicy(profile)
  const secure = first.protocol === 'HTTPS'
  const sorted = [...listeners].sort((a, b) => compareStrings(a.hostname, b.hostname))
  const bytes = Listener.encode({
    name: listenerName(first.port),
    address: {
      socketAddress: {
        address: binding.listenAddress,
        portValue: binding.ports[String(first.port)] ?? first.port,
        // Every address of both families, by one socket.
        ...(binding.listenAddress === '::' && { ipv4Compat: true }),
      },
    },
    perConnectionBufferLimitBytes: { value: 32 * kibibyte },
    filterChains: secure
      ? sorted.map((l) => buildSecureChain(l, policy, served(l)))
      : [buildPlainChain(first, policy, served(first))],
    ...(secure && { listenerFilters: [tlsInspector] }),
  }).finish()
  const secrets = secure ? [...new Set(sorted.flatMap((l) => l.certificates.map((c) => secretName(c.key))))].sort() : []
  return { bytes, secrets }
}
