import type { Collection, Reads } from '../collections/collection.ts'
import { type NamespacedName, namespacedName } from '../gatewayapi/object-key.ts'
import type { ConfigMap } from '../gatewayapi/objects/config-map.ts'
import type { GatewayClass } from '../gatewayapi/objects/gateway-class.ts'
import type { Problem } from './problem.ts'
import { defaultSettings, type ParameterLevel, type ProxySettings, parseSettings } from './proxy-parameters.ts'

/** A GatewayClass whose controllerName is one of ours. */
export interface GatewayClassNode {
  readonly key: NamespacedName
  readonly source: GatewayClass
  /** The defaults where `problems` says that the parameters are wrong. */
  readonly settings: ProxySettings
  readonly problems: readonly Problem[]
}

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
  if (!ref) return { key, source, settings: defaultSettings, problems: [] }
  const read = readSettings(ref, ref.namespace, 'class', reads, configMaps)
  if ('settings' in read) return { key, source, settings: read.settings, problems: [] }
  const problem = { on: 'Accepted', reason: 'InvalidParameters', message: read.error, path: 'spec.parametersRef' }
  return { key, source, settings: defaultSettings, problems: [problem] }
}

/** Reads settings from the ConfigMap that a parametersRef names. */
export function readSettings(
  ref: { readonly group: string; readonly kind: string; readonly name: string },
  namespace: string | undefined,
  level: ParameterLevel,
  reads: Reads,
  configMaps: Collection<NamespacedName, ConfigMap>,
  base: ProxySettings = defaultSettings,
): { readonly settings: ProxySettings } | { readonly error: string } {
  if (ref.group !== '' || ref.kind !== 'ConfigMap')
    return { error: `parametersRef names a ${ref.kind}${ref.group && ` of group ${ref.group}`}: use a ConfigMap` }
  if (namespace === undefined) return { error: 'parametersRef needs the namespace of the ConfigMap' }
  const name = `ConfigMap "${namespace}/${ref.name}"`
  const configMap = reads.get(configMaps, namespacedName(namespace, ref.name))
  if (!configMap) return { error: `${name} not found` }
  const read = parseSettings(configMap.data ?? {}, level, base)
  return 'settings' in read ? read : { error: `${name} ${read.error}` }
}
