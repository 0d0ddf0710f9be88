import { envoy } from '../gen/envoy.js'
import type { CaBundleKey } from '../graph/ca-bundle.ts'
import type { CertificateNode } from '../graph/certificate.ts'
import { authoritiesName, secretName } from './names.ts'

const { Secret } = envoy.extensions.transport_sockets.tls.v3

/** The only way in which a private key reaches Envoy: rotation touches no listener, and dumps redact it. */
export function buildSecret(certificate: CertificateNode): Uint8Array {
  return Secret.encode({
    name: secretName(certificate.key),
    tlsCertificate: {
      certificateChain: { inlineString: certificate.chain },
      privateKey: { inlineString: certificate.privateKey },
    },
  }).finish()
}

/** Who is trusted to have signed the certificates of backends or of clients. @param pem of all bundles */
export function buildAuthorities(bundles: readonly CaBundleKey[], pem: string): Uint8Array {
  return Secret.encode({
    name: authoritiesName(bundles),
    validationContext: { trustedCa: { inlineString: pem } },
  }).finish()
}
