import type { Collection, Reads } from '../collections/collection.ts'
import { type NamespacedName, namespacedName } from '../gatewayapi/object-key.ts'
import type { ConfigMap } from '../gatewayapi/objects/config-map.ts'
import type { GatewayClass } from '../gatewayapi/objects/gateway-class.ts'
import type { Problem } from './problem.ts'

/** How proxies present themselves; data of the class, so that different habits can be kept beside each other. */
export interface ProxyProfile {
  /**
   * quiet: the backend sees only x-forwarded-*, x-request-id and x-envoy-external-address; the client sees
   * the backend's own headers. verbose: Envoy's usual headers, with `server: envoy` and x-envoy-upstream-service-time.
   */
  readonly headers: 'quiet' | 'verbose'
}

/** A GatewayClass whose controllerName is one of ours. */
export interface GatewayClassNode {
  readonly key: NamespacedName
  readonly source: GatewayClass
  readonly profile: ProxyProfile
  readonly problems: readonly Problem[]
}

export const defaultProfile: ProxyProfile = { headers: 'quiet' }

/**
 * Judges a GatewayClass. Foreign ones yield nothing. A class whose parameters are wrong keeps
 * serving with the defaults, because its Gateways' traffic must not end with a typing error.
 */
export function resolveGatewayClass(
  source: GatewayClass,
  reads: Reads,
  controllerNames: ReadonlySet<string>,
  configMaps: Collection<NamespacedName, ConfigMap>,
): GatewayClassNode | undefined {
  if (!controllerNames.has(source.spec.controllerName)) return undefined
  const key = namespacedName('', source.metadata.name)
  const ref = source.spec.parametersRef
  if (!ref) return { key, source, profile: defaultProfile, problems: [] }
  const read = readProfile(ref, ref.namespace, reads, configMaps)
  if ('profile' in read) return { key, source, profile: read.profile, problems: [] }
  const problem = { on: 'Accepted', reason: 'InvalidParameters', message: read.error, path: 'spec.parametersRef' }
  return { key, source, profile: defaultProfile, problems: [problem] }
}

/** Reads a profile from the ConfigMap that a parametersRef names; its keys are the fields of {@link ProxyProfile}. */
export function readProfile(
  ref: { readonly group: string; readonly kind: string; readonly name: string },
  namespace: string | undefined,
  reads: Reads,
  configMaps: Collection<NamespacedName, ConfigMap>,
  base: ProxyProfile = defaultProfile,
): { readonly profile: ProxyProfile } | { readonly error: string } {
  if (ref.group !== '' || ref.kind !== 'ConfigMap')
    return { error: `parametersRef names a ${ref.kind}${ref.group && ` of group ${ref.group}`}: use a ConfigMap` }
  if (namespace === undefined) return { error: 'parametersRef needs the namespace of the ConfigMap' }
  const name = `ConfigMap "${namespace}/${ref.name}"`
  const configMap = reads.get(configMaps, namespacedName(namespace, ref.name))
  if (!configMap) return { error: `${name} not found` }
  const data = configMap.data ?? {}
  const unknown = Object.keys(data).filter((field) => field !== 'headers')
  if (unknown.length > 0) return { error: `${name} has the unknown key "${unknown[0]}": the known key is "headers"` }
  const headers = Object.hasOwn(data, 'headers') ? data['headers'] : base.headers
  if (headers !== 'quiet' && headers !== 'verbose')
    return { error: `${name} has headers: "${headers}": use quiet or verbose` }
  return { profile: { headers } }
}
