import { envoy } from '../gen/envoy.js'
import type { CertificateNode } from '../graph/certificate.ts'
import { packAny } from './any.ts'
import { adsSource } from './config-source.ts'
import { secretName } from './names.ts'

const { DownstreamTlsContext, TlsParameters } = envoy.extensions.transport_sockets.tls.v3

/** What HTTPS listeners offer by ALPN, in the order of preference. */
export const httpProtocols: readonly string[] = ['h2', 'http/1.1']

/**
 * Terminates TLS with certificates that come by SDS. Envoy picks among several by what the client can verify.
 * @param protocols for ALPN; none where Envoy does not know what is spoken
 */
export function buildDownstreamTls(
  certificates: readonly CertificateNode[],
  protocols: readonly string[] = [],
): envoy.config.core.v3.TransportSocket {
  const context: envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext = {
    commonTlsContext: {
      alpnProtocols: protocols,
      tlsParams: { tlsMinimumProtocolVersion: TlsParameters.TlsProtocol.TLSv1_2 },
      tlsCertificateSdsSecretConfigs: certificates.map((c) => ({ name: secretName(c.key), sdsConfig: adsSource })),
    },
  }
  return { name: 'envoy.transport_sockets.tls', typedConfig: packAny(DownstreamTlsContext, context) }
}
