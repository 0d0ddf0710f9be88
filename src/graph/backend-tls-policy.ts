import { compareBy } from '../base/compare.ts'
import { contentVersion } from '../base/hash.ts'
import type { Index, Reads } from '../collections/collection.ts'
import { buildRouteRank, compareRouteRanks } from '../gatewayapi/match-precedence.ts'
import { type NamespacedName, namespacedName } from '../gatewayapi/object-key.ts'
import type {
  BackendTLSPolicy,
  BackendTLSPolicyValidation,
  PolicyTargetReference,
  SubjectAltName,
} from '../gatewayapi/objects/backend-tls-policy.ts'
import type { BackendTarget } from './backend.ts'
import { type CaBundleContext, type CaBundleKey, resolveCaReference } from './ca-bundle.ts'
import type { Problem } from './problem.ts'
import { resolveTlsOptions, type TlsVersions } from './tls-option.ts'

/** How Envoy speaks TLS to a backend, and what it asks of it. */
export interface BackendTls {
  /** SNI. */
  readonly serverName: string
  /** The backend's certificate must have one of these; its server name when there are none. */
  readonly subjectAltNames: readonly SubjectAltName[]
  /** Who may have signed it; sorted. 'system': what the proxy's system trusts. */
  readonly authorities: 'system' | readonly CaBundleKey[]
  /** Absent: what proxies do by default. */
  readonly versions?: TlsVersions
  /** Of all of the above: part of the identity of a cluster. What the bundles hold is not part of it. */
  readonly hash: string
}

/** A BackendTLSPolicy by itself. */
export interface BackendTLSPolicyNode {
  readonly key: NamespacedName
  readonly source: BackendTLSPolicy
  /** undefined: it cannot be honoured, and its targets must not be reached at all. */
  readonly tls: BackendTls | undefined
  readonly problems: readonly Problem[]
  /** What has no effect, and harms nothing. */
  readonly notes: readonly string[]
}

/** "group/Kind/namespace/name": what policies are about. */
export type TargetKey = string & { readonly __brand: 'TargetKey' }

export function targetKey({ group, kind, namespace, name }: Omit<BackendTarget, 'port'>): TargetKey {
  return `${group}/${kind}/${namespace}/${name}` as TargetKey
}

export function targetKeysOf({ source }: BackendTLSPolicyNode): TargetKey[] {
  const { namespace } = source.metadata
  return [
    ...new Set(source.spec.targetRefs.map(({ group, kind, name }) => targetKey({ group, kind, namespace, name }))),
  ]
}

/** Checks a policy and resolves the authorities that it names. */
export function resolveBackendTLSPolicy(source: BackendTLSPolicy, context: CaBundleContext): BackendTLSPolicyNode {
  const { namespace, name } = source.metadata
  const key = namespacedName(namespace, name)
  const { tls, problems } = resolveBackendValidation(source.spec.validation, namespace, 'spec.validation', context)
  const options = resolveTlsOptions(source.spec.options, 'spec.options')
  const refused = options.problems.map(({ field, message }) => {
    return { on: 'Accepted', reason: 'Invalid', message, path: field }
  })
  return {
    key,
    source,
    tls: refused.length > 0 ? undefined : tls && limitVersions(tls, options.versions),
    problems: [...problems, ...refused],
    notes: options.notes,
  }
}

function limitVersions(tls: BackendTls, versions: TlsVersions | undefined): BackendTls {
  return versions ? { ...tls, versions, hash: contentVersion(`${tls.hash} ${JSON.stringify(versions)}`) } : tls
}

/**
 * How a backend must show who it is, wherever that is written.
 * @param namespace of the authorities
 * @param path of the validation
 */
export function resolveBackendValidation(
  validation: BackendTLSPolicyValidation,
  namespace: string,
  path: string,
  context: CaBundleContext,
): Pick<BackendTLSPolicyNode, 'tls' | 'problems'> {
  const { hostname, subjectAltNames = [], caCertificateRefs = [], wellKnownCACertificates } = validation
  const problems: Problem[] = []
  const report = (on: string, reason: string, message: string, field: string) =>
    problems.push({ on, reason, message, path: `${path}.${field}` })
  const keys = new Set<CaBundleKey>()
  for (const [index, ref] of caCertificateRefs.entries()) {
    const resolved = resolveCaReference({ ...ref, namespace }, context)
    if ('key' in resolved) keys.add(resolved.key)
    else {
      const reason = resolved.problem === 'unknown-kind' ? 'InvalidKind' : 'InvalidCACertificateRef'
      report('ResolvedRefs', reason, resolved.message, `caCertificateRefs[${index}]`)
    }
  }
  if (caCertificateRefs.length > 0 && keys.size === 0)
    report('Accepted', 'NoValidCACertificate', 'no authority is left to verify backends by', 'caCertificateRefs')
  const isSystem = wellKnownCACertificates === 'System'
  if (caCertificateRefs.length === 0 && !isSystem) {
    const message = `the set of authorities "${wellKnownCACertificates}" is not known: use System`
    report('Accepted', 'Invalid', message, 'wellKnownCACertificates')
  }
  const authorities = isSystem ? 'system' : [...keys].sort()
  const isUsable = !problems.some((p) => p.on === 'Accepted')
  const facts = { serverName: hostname.toLowerCase(), subjectAltNames, authorities } as const
  const tls = isUsable ? { ...facts, hash: contentVersion(JSON.stringify(facts)) } : undefined
  return { tls, problems }
}

/** Policies by what they are about. */
export type PoliciesByTarget = Index<TargetKey, NamespacedName, BackendTLSPolicyNode>

/** The oldest first, then by "namespace/name". */
const bySeniority = compareBy<BackendTLSPolicyNode>((a, b) =>
  compareRouteRanks(
    buildRouteRank(a.key, a.source.metadata.creationTimestamp),
    buildRouteRank(b.key, b.source.metadata.creationTimestamp),
  ),
)

/** Those that are about exactly this section of a target ('' for all of it), the one that counts first. */
function listRivals(
  reads: Reads,
  policies: PoliciesByTarget,
  target: TargetKey,
  section: string,
): BackendTLSPolicyNode[] {
  const isAbout = ({ group, kind, name, sectionName }: PolicyTargetReference, namespace: string) =>
    targetKey({ group, kind, namespace, name }) === target && (sectionName ?? '') === section
  return reads
    .lookup(policies, target)
    .filter(({ source }) => source.spec.targetRefs.some((ref) => isAbout(ref, source.metadata.namespace)))
    .sort(bySeniority)
}

/**
 * The policy that counts for a port of a target: one for the port before one for all of them, the oldest of
 * several. One that cannot be honoured counts too, or its target would be reached without TLS.
 * @param section name of the port; '' where it has none
 */
export function findPolicy(
  reads: Reads,
  policies: PoliciesByTarget,
  target: TargetKey,
  section: string,
): BackendTLSPolicyNode | undefined {
  if (reads.lookup(policies, target).length === 0) return undefined
  const own = section === '' ? [] : listRivals(reads, policies, target, section)
  return own[0] ?? listRivals(reads, policies, target, '')[0]
}

/** Tells a policy that does not count for any of its targets, because an older one does. */
export function findPolicyConflicts(
  { key, source }: BackendTLSPolicyNode,
  reads: Reads,
  policies: PoliciesByTarget,
): Problem[] {
  const winners = source.spec.targetRefs.map(({ group, kind, name, sectionName }) => {
    const target = targetKey({ group, kind, namespace: source.metadata.namespace, name })
    return listRivals(reads, policies, target, sectionName ?? '')[0]?.key
  })
  if (winners.includes(key)) return []
  const names = [...new Set(winners)].map((winner) => `"${winner}"`).join(', ')
  const message = `BackendTLSPolicy ${names} is older and has the same targets: remove one of them`
  return [{ on: 'Accepted', reason: 'Conflicted', message, path: 'spec.targetRefs' }]
}
