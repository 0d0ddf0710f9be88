import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { missingCluster } from '../envoy/names.ts'
import { type Json, renderResource } from '../envoy/proto-json.ts'
import { type EnvoyResource, typeUrls } from '../xds/resource.ts'

type JsonObject = { [field: string]: Json }

const bootstrapFile = new URL('../../envoy-bootstrap/bootstrap.json', import.meta.url)

/**
 * One bootstrap for each scope among the resources, in the order of the scopes. Private keys are in it
 * as they are.
 */
export function buildStaticBootstraps(resources: Iterable<EnvoyResource>): Map<string, JsonObject> {
  const byScope = new Map<string, EnvoyResource[]>()
  for (const resource of resources) {
    const members = byScope.get(resource.scope)
    if (members) members.push(resource)
    else byScope.set(resource.scope, [resource])
  }
  const scopes = [...byScope].sort(([a], [b]) => (a < b ? -1 : 1))
  return new Map(scopes.map(([scope, members]) => [scope, buildStaticBootstrap(members)]))
}

/**
 * A bootstrap for an Envoy without a control plane, from the resources of one scope: whatever would come
 * by EDS, RDS or SDS stands where it is used.
 * @throws an error when a listener names a table that is not among the resources
 */
export function buildStaticBootstrap(resources: readonly EnvoyResource[]): JsonObject {
  const rendered = (typeUrl: string) =>
    resources
      .filter((resource) => resource.typeUrl === typeUrl)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((resource) => [resource.name, renderResource(resource, { revealSecrets: true })] as const)
  const tables = new Map(rendered(typeUrls.route))
  const assignments = new Map(rendered(typeUrls.endpoint))
  const secrets = new Map(rendered(typeUrls.secret))
  const place = (value: Json) => inline(value, { tables, secrets })
  return {
    node: { id: 'static', cluster: 'static' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    layered_runtime: readRuntime(),
    static_resources: {
      listeners: rendered(typeUrls.listener).map(([, listener]) => place(listener)),
      clusters: rendered(typeUrls.cluster).map(([, cluster]) => place(inlineEndpoints(cluster, assignments))),
      secrets: [...secrets.values()],
    },
  }
}

/** The limits that proxies really run with, e.g. for regular expressions. */
function readRuntime(): Json {
  const bootstrap: JsonObject = JSON.parse(readFileSync(bootstrapFile, 'utf8'))
  return bootstrap['layered_runtime'] ?? {}
}

/** What stands by name in other resources. */
interface Named {
  readonly tables: ReadonlyMap<string, JsonObject>
  readonly secrets: ReadonlyMap<string, JsonObject>
}

/** Puts tables and authorities in the place of their names, and takes certificates from the bootstrap. */
function inline(value: Json, named: Named): Json {
  if (Array.isArray(value)) return value.map((item) => inline(item, named))
  if (!isObject(value)) return value
  const copy: JsonObject = {}
  for (const [field, part] of Object.entries(value)) {
    // A secret without a source is looked up among the static ones.
    if (field === 'sds_config') continue
    if (field === 'rds' && isObject(part))
      copy['route_config'] = findTable(String(part['route_config_name']), named.tables)
    // Envoy 1.40 crashes on a static secret here.
    else if (field === 'combined_validation_context' && isObject(part))
      copy['validation_context'] = combine(part, named.secrets)
    else copy[field] = inline(part, named)
  }
  return copy
}

function combine(combined: JsonObject, secrets: ReadonlyMap<string, JsonObject>): Json {
  const { default_validation_context: own, validation_context_sds_secret_config: reference } = combined
  const name = isObject(reference) ? String(reference['name']) : ''
  const secret = secrets.get(name)
  if (!secret) throw new Error(`authorities "${name}" are not among ${[...secrets.keys()].join(', ')}`)
  return { ...(isObject(own) && own), ...(secret['validation_context'] as JsonObject) }
}

function findTable(name: string, tables: ReadonlyMap<string, JsonObject>): Json {
  const table = tables.get(name)
  if (!table)
    throw new Error(`a listener names the table "${name}", which is not among ${[...tables.keys()].join(', ')}`)
  // A static table is checked for clusters that do not exist, which is a good check unless one is meant to be absent.
  return mentions(table, missingCluster) ? { ...table, validate_clusters: false } : table
}

function mentions(value: Json, text: string): boolean {
  if (typeof value === 'object' && value !== null) return Object.values(value).some((part) => mentions(part, text))
  return value === text
}

function inlineEndpoints(cluster: JsonObject, assignments: ReadonlyMap<string, JsonObject>): Json {
  const { eds_cluster_config: eds, ...rest } = cluster
  if (eds === undefined) return cluster
  const name = String((isObject(eds) && eds['service_name']) || cluster['name'])
  const assignment = assignments.get(name) ?? { cluster_name: name }
  return { ...rest, type: hasHostnames(assignment) ? 'STRICT_DNS' : 'STATIC', load_assignment: assignment }
}

function hasHostnames(value: Json): boolean {
  if (Array.isArray(value)) return value.some(hasHostnames)
  if (!isObject(value)) return false
  return Object.entries(value).some(([field, part]) =>
    field === 'socket_address' && isObject(part) ? isIP(String(part['address'])) === 0 : hasHostnames(part),
  )
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
