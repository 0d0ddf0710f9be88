import { envoy } from '../gen/envoy.js'
import type { CertificateNode } from '../graph/certificate.ts'
import { packAny } from './any.ts'
import { adsSource } from './config-source.ts'
import { secretName } from './names.ts'

const { DownstreamTlsContext, TlsParameters } = envoy.extensions.transport_sockets.tls.v3

/** Terminates TLS with certificates that come by SDS. Envoy picks among several by what the client can verify. */
export function buildDownstreamTls(certificates: readonly CertificateNode[]): envoy.config.core.v3.TransportSocket {
  const context: envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext = {
    commonTlsContext: {
      alpnProtocols: ['h2', 'http/1.1'],
      tlsParams: { tlsMinimumProtocolVersion: TlsParameters.TlsProtocol.TLSv1_2 },
      tlsCertificateSdsSecretConfigs: certificates.map((c) => ({ name: secretName(c.key), sdsConfig: adsSource })),
    },
  }
  return { name: 'envoy.transport_sockets.tls', typedConfig: packAny(DownstreamTlsContext, context) }
}
