import { hash } from 'node:crypto'

/** A content hash as a resource version: 11 characters, 66 bits. Equal content, equal version, also after a restart. */
export function contentVersion(bytes: Uint8Array | string): string {
  return hash('sha1', bytes, 'base64url').slice(0, 11)
}
