import { envoy } from '../gen/envoy.js'
import type { ClientValidation } from '../graph/client-validation.ts'
import type { ListenerNode } from '../graph/listener.ts'
import type { TlsVersions } from '../graph/tls-option.ts'
import { packAny } from './any.ts'
import { adsSource } from './config-source.ts'
import { authoritiesName, secretName } from './names.ts'

const { DownstreamTlsContext, TlsParameters } = envoy.extensions.transport_sockets.tls.v3

/** What HTTPS listeners offer by ALPN, in the order of preference. */
export const httpProtocols: readonly string[] = ['h2', 'http/1.1']

const { TrustChainVerification } = envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext

/**
 * Terminates TLS with certificates that come by SDS. Envoy picks among several by what the client can verify.
 * @param protocols for ALPN; none where Envoy does not know what is spoken
 */
export function buildDownstreamTls(
  {
    certificates,
    clientValidation,
    tlsVersions,
  }: Pick<ListenerNode, 'certificates' | 'clientValidation' | 'tlsVersions'>,
  protocols: readonly string[] = [],
): envoy.config.core.v3.TransportSocket {
  const context: envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext = {
    commonTlsContext: {
      alpnProtocols: protocols,
      tlsParams: buildTlsVersions({ min: '1.2', ...tlsVersions }),
      tlsCertificateSdsSecretConfigs: certificates.map((c) => ({ name: secretName(c.key), sdsConfig: adsSource })),
      ...(clientValidation && buildClientValidation(clientValidation)),
    },
    ...(clientValidation?.mode === 'valid-only' && { requireClientCertificate: { value: true } }),
  }
  return { name: 'envoy.transport_sockets.tls', typedConfig: packAny(DownstreamTlsContext, context) }
}

const protocolOf = { '1.2': TlsParameters.TlsProtocol.TLSv1_2, '1.3': TlsParameters.TlsProtocol.TLSv1_3 } as const

export function buildTlsVersions({ min, max }: TlsVersions): envoy.extensions.transport_sockets.tls.v3.TlsParameters {
  return {
    ...(min && { tlsMinimumProtocolVersion: protocolOf[min] }),
    ...(max && { tlsMaximumProtocolVersion: protocolOf[max] }),
  }
}

/** Whether or not one is required, clients are asked for a certificate and told who may have signed it. */
function buildClientValidation({
  mode,
  authorities,
}: ClientValidation): envoy.extensions.transport_sockets.tls.v3.CommonTlsContext {
  return {
    combinedValidationContext: {
      defaultValidationContext:
        mode === 'insecure-fallback' ? { trustChainVerification: TrustChainVerification.ACCEPT_UNTRUSTED } : {},
      validationContextSdsSecretConfig: { name: authoritiesName(authorities), sdsConfig: adsSource },
    },
  }
}
