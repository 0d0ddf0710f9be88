import { type FakeAnswer, refuse } from './fake-api-connection.ts'
import type { FakeResource } from './fake-api-resources.ts'

/** Answers what is no resource: which groups, versions and kinds there are, and health. */
export function describeApi(path: string, resources: readonly FakeResource[]): FakeAnswer {
  if (/^\/(readyz|livez|healthz)$/.test(path)) return { status: 200, body: 'ok' }
  if (path === '/version') return { status: 200, body: { major: '1', minor: '35', gitVersion: 'v1.35.0' } }
  const groups = [...new Set(resources.map(({ group }) => group))].filter((group) => group !== '')
  if (path === '/api') return { status: 200, body: { kind: 'APIVersions', versions: ['v1'] } }
  if (path === '/apis')
    return {
      status: 200,
      body: { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map((group) => describeGroup(group, resources)) },
    }
  const [, , first = '', second, ...rest] = path.split('/')
  const isCore = path.startsWith('/api/')
  if (!isCore && second === undefined && groups.includes(first))
    return { status: 200, body: { kind: 'APIGroup', apiVersion: 'v1', ...describeGroup(first, resources) } }
  const [group, version] = isCore ? ['', first] : [first, second]
  const served = resources.filter((resource) => resource.group === group && resource.versions.includes(version ?? ''))
  if (served.length === 0 || rest.length > 0 || (isCore && second !== undefined))
    return refuse(404, 'NotFound', 'the server could not find the requested resource')
  return {
    status: 200,
    body: {
      kind: 'APIResourceList',
      apiVersion: 'v1',
      groupVersion: group === '' ? version : `${group}/${version}`,
      resources: served.flatMap(({ plural, kind, clusterScoped, hasStatus }) => [
        {
          name: plural,
          kind,
          namespaced: !clusterScoped,
          verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
        },
        ...(hasStatus
          ? [{ name: `${plural}/status`, kind, namespaced: !clusterScoped, verbs: ['get', 'patch', 'update'] }]
          : []),
      ]),
    },
  }
}

function describeGroup(group: string, resources: readonly FakeResource[]): object {
  const versions = new Set(resources.filter((r) => r.group === group).flatMap((r) => r.versions))
  const listed = [...versions].map((version) => ({ groupVersion: `${group}/${version}`, version }))
  return { name: group, versions: listed, preferredVersion: listed[0] }
}
