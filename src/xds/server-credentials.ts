import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { ServerCredentials } from '@grpc/grpc-js'
import type { Logger } from '../base/logger.ts'
import type { XdsTls, XdsTlsProvider } from './server-options.ts'

/**
 * TLS whose certificate changes while the server runs: new handshakes use the new one, open connections go on.
 * grpc-js passes an update on to its TLS servers; it lets go of all of them if one cannot be used, so that is
 * tried out first.
 */
class ReloadingCredentials extends ServerCredentials {
  constructor(tls: XdsTls) {
    super({ requestCert: tls.clientCa !== undefined }, contextOf(tls))
  }

  /** @throws if the certificate and the key are not what they should be; the old ones stay then */
  update(tls: XdsTls): void {
    const context = contextOf(tls)
    createSecureContext(context)
    // OpenSSL passes over an empty key, and then has nothing to offer.
    if (!new X509Certificate(tls.certificate).checkPrivateKey(createPrivateKey(tls.key)))
      throw Object.assign(new Error('the key is not that of the certificate'), { code: 'KEY_MISMATCH' })
    this.updateSecureContextOptions(context)
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other
  }
}

function contextOf({ certificate, key, clientCa }: XdsTls): SecureContextOptions {
  // Both ends are ours: nothing older is needed.
  return { cert: certificate, key, minVersion: 'TLSv1.3', ...(clientCa !== undefined && { ca: clientCa }) }
}

export interface ServerTls {
  readonly credentials: ServerCredentials
  /** Follows the provider no longer. */
  close(): void
}

/** @param tls none: plaintext, which is for local sockets */
export function createServerTls(tls: XdsTls | XdsTlsProvider | undefined, logger: Logger): ServerTls {
  if (tls === undefined) return { credentials: ServerCredentials.createInsecure(), close() {} }
  if (!('subscribe' in tls)) return { credentials: new ReloadingCredentials(tls), close() {} }
  const credentials = new ReloadingCredentials(tls.current())
  const close = tls.subscribe(() => {
    try {
      credentials.update(tls.current())
      logger.info('The xDS server has a new certificate')
    } catch (error) {
      // Of the error only its kind: OpenSSL may quote what it could not read.
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
      logger.error('The new certificate of the xDS server cannot be used: the old one stays', { code })
    }
  })
  return { credentials, close }
}
