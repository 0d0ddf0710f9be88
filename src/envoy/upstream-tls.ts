import type { SubjectAltName } from '../gatewayapi/objects/backend-tls-policy.ts'
import { envoy } from '../gen/envoy.js'
import type { BackendTls } from '../graph/backend-tls-policy.ts'
import type { CertificateNode } from '../graph/certificate.ts'
import { packAny } from './any.ts'
import { adsSource } from './config-source.ts'
import { authoritiesName, secretName } from './names.ts'
import { buildTlsVersions } from './tls-context.ts'

const { SubjectAltNameMatcher, UpstreamTlsContext } = envoy.extensions.transport_sockets.tls.v3
type SubjectAltNameMatcher = envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher
type CommonTlsContext = envoy.extensions.transport_sockets.tls.v3.CommonTlsContext

/** Where Envoy's images, and most systems, keep the authorities that they trust. */
const systemAuthorities = '/etc/ssl/certs/ca-certificates.crt'

/** What is said to a backend that is spoken to with TLS. */
export interface UpstreamTlsOptions {
  /** What the proxies show, if they are asked. */
  readonly certificate?: CertificateNode | undefined
  /** For ALPN; none where Envoy does not know what is spoken. */
  readonly protocols?: readonly string[]
}

/** TLS to a backend that has to prove who it is. Authorities and certificates come by SDS, so that their rotation is no change of the cluster. */
export function buildUpstreamTls(
  tls: BackendTls,
  { certificate, protocols = [] }: UpstreamTlsOptions,
): envoy.config.core.v3.TransportSocket {
  const context = {
    sni: tls.serverName,
    commonTlsContext: {
      alpnProtocols: protocols,
      // Envoy by itself goes no further than 1.2 towards backends.
      ...(tls.versions && { tlsParams: buildTlsVersions({ max: '1.3', ...tls.versions }) }),
      ...(certificate && {
        tlsCertificateSdsSecretConfigs: [{ name: secretName(certificate.key), sdsConfig: adsSource }],
      }),
      ...buildValidation(tls),
    },
  }
  return { name: 'envoy.transport_sockets.tls', typedConfig: packAny(UpstreamTlsContext, context) }
}

function buildValidation({ serverName, subjectAltNames, authorities }: BackendTls): CommonTlsContext {
  const names: readonly SubjectAltName[] =
    subjectAltNames.length > 0 ? subjectAltNames : [{ type: 'Hostname', hostname: serverName }]
  const matchTypedSubjectAltNames = names.map(buildNameMatcher)
  if (authorities === 'system')
    return { validationContext: { trustedCa: { filename: systemAuthorities }, matchTypedSubjectAltNames } }
  return {
    combinedValidationContext: {
      defaultValidationContext: { matchTypedSubjectAltNames },
      validationContextSdsSecretConfig: { name: authoritiesName(authorities), sdsConfig: adsSource },
    },
  }
}

/** Envoy lets an exact name match a wildcard in a certificate, but has no wildcards of its own. */
function buildNameMatcher({ type, hostname = '', uri = '' }: SubjectAltName): SubjectAltNameMatcher {
  const { SanType } = SubjectAltNameMatcher
  if (type === 'URI') return { sanType: SanType.URI, matcher: { exact: uri } }
  const name = hostname.toLowerCase()
  const matcher = name.startsWith('*.') ? { suffix: name.slice(1) } : { exact: name }
  return { sanType: SanType.DNS, matcher: { ...matcher, ignoreCase: true } }
}

/** Names of the secrets that TLS to a backend takes, sorted. */
export function listTlsSecrets({ authorities }: BackendTls, certificate: CertificateNode | undefined): string[] {
  const names = new Set(authorities === 'system' ? [] : [authoritiesName(authorities)])
  if (certificate) names.add(secretName(certificate.key))
  return [...names].sort()
}
