import type { Collection } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import { formatObjectKey, splitNamespacedName } from '../gatewayapi/object-key.ts'
import { type CaBundleKey, sourceOfBundle } from '../graph/ca-bundle.ts'
import type { CertificateNode } from '../graph/certificate.ts'
import type { Graph } from '../graph/graph.ts'
import { type EnvoyResource, resourceKey, splitResourceKey, typeUrls } from '../xds/resource.ts'
import { authoritiesName, secretName } from './names.ts'
import { buildResource, sameContent } from './resource.ts'
import { buildAuthorities, buildSecret } from './secret.ts'

/** Somebody in the configuration of a Gateway's proxies who names secrets. */
export interface SecretUser {
  readonly gateway: string
  readonly certificates: readonly CertificateNode[]
  /** Each list is one secret. */
  readonly authorities: readonly (readonly CaBundleKey[])[]
}

/** Wires the derivations from those who use secrets to the secrets. @param users by keys that no two of them share */
export function createSecrets(
  scheduler: Scheduler,
  graph: Graph,
  users: readonly Collection<string, SecretUser>[],
): Collection<string, EnvoyResource> {
  const byName = scheduler.index('SecretUsers by secret', scheduler.join('SecretUser', users), (user) =>
    [
      ...user.certificates.map((certificate) => secretName(certificate.key)),
      ...user.authorities.map((keys) => authoritiesName(keys)),
    ].map((name) => resourceKey(user.gateway, name)),
  )
  return scheduler.group(
    'Secret resource',
    byName,
    (key, reads, members) => {
      const [scope, name] = splitResourceKey(key)
      const build = (bytes: Uint8Array, sources: readonly string[]) =>
        buildResource(typeUrls.secret, scope, name, bytes, sources)
      const certificate = members.flatMap((user) => user.certificates).find((c) => secretName(c.key) === name)
      if (certificate) {
        const source = formatObjectKey({ group: '', kind: 'Secret', ...splitNamespacedName(certificate.key) })
        return build(buildSecret(certificate), [source])
      }
      const keys = members.flatMap((user) => user.authorities).find((list) => authoritiesName(list) === name) ?? []
      const bundles = keys.map((bundle) => reads.get(graph.caBundles, bundle))
      // Whoever names a bundle has checked it; between the two lies nothing but this batch.
      const pem = bundles.map((bundle) => (bundle?.state === 'valid' ? bundle.pem : '')).join('')
      return pem === '' ? undefined : build(buildAuthorities(keys, pem), keys.map(sourceOfBundle))
    },
    sameContent,
  )
}
