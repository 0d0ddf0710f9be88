import { isObject, type JsonObject } from './json.ts'

/**
 * What identifies an item of a list, for the lists that Kubernetes merges item by item; all others are one
 * value. By the name of the field: in the kinds that we make, equal names are equal lists.
 */
const listKeys: Readonly<Record<string, readonly (readonly string[])[]>> = {
  containers: [['name']],
  env: [['name']],
  imagePullSecrets: [['name']],
  ownerReferences: [['uid']],
  ports: [
    ['containerPort', 'protocol'],
    ['port', 'protocol'],
  ],
  topologySpreadConstraints: [['topologyKey', 'whenUnsatisfiable']],
  volumeMounts: [['mountPath']],
  volumes: [['name']],
}

/**
 * What tells an item from the others, in the form of field managers: `[port=80,protocol="TCP"]`.
 * @returns undefined for a list that is one value
 */
export function identifyItem(list: string, item: unknown): string | undefined {
  const keys = listKeys[list]?.find(([first = '']) => isObject(item) && item[first] !== undefined)
  if (keys === undefined || !isObject(item)) return undefined
  return `[${keys.map((key) => `${key}=${JSON.stringify(item[key] ?? (key === 'protocol' ? 'TCP' : ''))}`).join(',')}]`
}

/**
 * A copy of an object without some of its fields.
 * @param fields in the form in which the API server names them in conflicts: `.spec.ports[port=80,protocol="TCP"].name`
 * @returns the copy, and the fields that it does not have anyway
 */
export function leaveOut(
  object: JsonObject,
  fields: ReadonlySet<string>,
): { readonly object: JsonObject; readonly unknown: readonly string[] } {
  const found = new Set<string>()
  const copy = (value: unknown, name: string, path: string): unknown => {
    if (fields.has(path)) {
      found.add(path)
      return undefined
    }
    if (Array.isArray(value)) {
      if (value.some((item) => identifyItem(name, item) === undefined)) return value
      return value
        .map((item) => copy(item, '', `${path}${identifyItem(name, item)}`))
        .filter((item) => item !== undefined)
    }
    if (!isObject(value)) return value
    const kept = Object.entries(value).map(([key, child]) => [key, copy(child, key, `${path}.${key}`)] as const)
    // fromEntries defines the fields, so that a key "__proto__" stays a key.
    return Object.fromEntries(kept.filter(([, child]) => child !== undefined))
  }
  const without = copy(object, '', '') as JsonObject
  return { object: without, unknown: [...fields].filter((field) => !found.has(field)) }
}

/** Whether everything that is wanted is there, whatever else there is. */
export function contains(live: unknown, wanted: unknown, name = ''): boolean {
  if (Array.isArray(wanted)) {
    if (!Array.isArray(live)) return false
    if (wanted.some((item) => identifyItem(name, item) === undefined))
      return wanted.length === live.length && wanted.every((item, index) => contains(live[index], item))
    const byIdentity = new Map(live.map((item) => [identifyItem(name, item), item]))
    return wanted.every((item) => contains(byIdentity.get(identifyItem(name, item)), item))
  }
  if (!isObject(wanted)) return live === wanted
  return isObject(live) && Object.entries(wanted).every(([key, value]) => contains(live[key], value, key))
}
