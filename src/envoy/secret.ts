import { envoy } from '../gen/envoy.js'
import type { CertificateNode } from '../graph/certificate.ts'
import { secretName } from './names.ts'

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
