import { afterEach, beforeEach, expect, test } from 'vitest'
import { FakeApiServer } from './fake-api-server.ts'
import type { FakeObject } from './fake-api-store.ts'

const routes = '/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes'
const services = '/api/v1/namespaces/shop/services'

let server: FakeApiServer

beforeEach(async () => {
  server = await FakeApiServer.start({ timeScale: 0.01, protocol: 'http' })
})
afterEach(() => server.close())

function routeOf(name: string, spec: object = {}): FakeObject {
  return { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { namespace: 'shop', name }, spec }
}

async function ask(method: string, path: string, body?: unknown, contentType = 'application/json') {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { 'content-type': contentType },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as FakeObject & Record<string, unknown> }
}

/** The events of a watch until it ends. */
async function watch(path: string, query: string) {
  const response = await fetch(`${server.url}${path}?watch=true&${query}`)
  const lines = (await response.text()).split('\n').filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line) as { type: string; object: FakeObject & { code?: number } })
}

test('A list comes in pages of one state', async () => {
  for (let i = 0; i < 5; i++) server.put(routeOf(`r${i}`))
  const first = await ask('GET', `${routes}?limit=2`)
  server.delete('HTTPRoute', 'shop', 'r3')
  const token = (first.body.metadata as unknown as { continue: string }).continue
  const second = await ask('GET', `${routes}?limit=2&continue=${token}`)
  expect((second.body['items'] as FakeObject[]).map((o) => o.metadata.name)).toEqual(['r2', 'r3'])
  expect(second.body.metadata.resourceVersion).toBe(first.body.metadata.resourceVersion)
  server.compact()
  expect((await ask('GET', `${routes}?limit=2&continue=${token}`)).status).toBe(410)
})

test('A watch tells what happened since a version, and ends with a bookmark', async () => {
  const { metadata } = server.put(routeOf('a'))
  server.put(routeOf('b'))
  server.delete('HTTPRoute', 'shop', 'a')
  const events = await watch(
    routes,
    `resourceVersion=${metadata.resourceVersion}&allowWatchBookmarks=true&timeoutSeconds=2`,
  )
  expect(events.map(({ type, object }) => [type, object.metadata.name])).toEqual([
    ['ADDED', 'b'],
    ['DELETED', 'a'],
    ['BOOKMARK', undefined],
  ])
  server.compact()
  server.put(routeOf('c'))
  const [expired] = await watch(routes, `resourceVersion=${metadata.resourceVersion}`)
  expect([expired?.type, expired?.object.code]).toEqual(['ERROR', 410])
})

test('A watch can begin with the present state', async () => {
  server.put(routeOf('a'))
  const query = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1'
  const [added, end] = await watch(routes, query)
  expect([added?.type, end?.type]).toEqual(['ADDED', 'BOOKMARK'])
  expect(end?.object.metadata.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' })
})

test('Writes meet conflicts, and the status is apart', async () => {
  const created = await ask('POST', routes, routeOf('a', { x: 1 }))
  expect([created.status, created.body.metadata.generation]).toEqual([201, 1])
  expect((await ask('POST', routes, routeOf('a'))).status).toBe(409)
  const withStatus = await ask('PUT', `${routes}/a/status`, { ...created.body, spec: { x: 2 }, status: { y: 1 } })
  expect(withStatus.body).toMatchObject({ spec: { x: 1 }, status: { y: 1 }, metadata: { generation: 1 } })
  const stale = await ask('PUT', `${routes}/a`, { ...created.body, spec: { x: 2 } })
  expect([stale.status, stale.body['reason']]).toEqual([409, 'Conflict'])
  const patched = await ask(
    'PATCH',
    `${routes}/a`,
    { spec: { x: null, z: 3 }, status: {} },
    'application/merge-patch+json',
  )
  expect(patched.body).toMatchObject({ spec: { z: 3 }, status: { y: 1 }, metadata: { generation: 2 } })
  expect(patched.body.spec).toEqual({ z: 3 })
  expect((await ask('DELETE', `${routes}/a`)).status).toBe(200)
  expect((await ask('GET', `${routes}/a`)).status).toBe(404)
})

test('Apply leaves fields of others alone, takes back its own, and conflicts', async () => {
  const apply = (spec: object, query: string) =>
    ask(
      'PATCH',
      `${services}/s?${query}`,
      { apiVersion: 'v1', kind: 'Service', metadata: { name: 's' }, spec },
      'application/apply-patch+yaml',
    )
  const port = { port: 80, targetPort: 10080, protocol: 'TCP' }
  expect((await apply({ ports: [port], type: 'LoadBalancer' }, 'fieldManager=us')).status).toBe(201)
  const user = { spec: { ports: [{ ...port, nodePort: 30001 }], sessionAffinity: 'ClientIP' } }
  await ask('PATCH', `${services}/s?fieldManager=user`, user, 'application/merge-patch+json')
  const again = await apply({ ports: [port] }, 'fieldManager=us')
  expect(again.body.spec).toEqual({ ports: [{ ...port, nodePort: 30001 }], sessionAffinity: 'ClientIP' })
  const conflict = await apply({ ports: [port], sessionAffinity: 'None' }, 'fieldManager=us')
  expect([conflict.status, String(conflict.body['message'])]).toEqual([409, expect.stringContaining('"user"')])
  const forced = await apply({ ports: [port], sessionAffinity: 'None' }, 'fieldManager=us&force=true')
  expect(forced.body.spec).toMatchObject({ sessionAffinity: 'None' })
})

test('Faults hit the requests they are meant for, and all requests are counted', async () => {
  server.faults.once({ verb: 'list', resource: 'httproutes' }, { status: 429, retryAfter: 3 })
  const refused = await fetch(`${server.url}${routes}`)
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '3'])
  expect((await ask('GET', routes)).status).toBe(200)
  const end = server.faults.always({ resource: 'httproutes' }, 'reset')
  await expect(fetch(`${server.url}${routes}`)).rejects.toThrow()
  end()
  expect(server.requests.count({ verb: 'list', resource: 'httproutes' })).toBe(3)
})

test('A right that is missing is refused by its name, and applying what is not there needs the right to create it', async () => {
  const body = { apiVersion: 'v1', kind: 'Service', metadata: { name: 's' }, spec: {} }
  const apply = () => ask('PATCH', `${services}/s?fieldManager=us`, body, 'application/apply-patch+yaml')
  const giveBack = server.rights.remove({ verbs: ['create'], resource: 'services' })
  const refused = await apply()
  expect([refused.status, refused.body['message']]).toEqual([
    403,
    expect.stringContaining('cannot create resource "services" in API group "" in the namespace "shop"'),
  ])
  giveBack()
  expect((await apply()).status).toBe(201)
  server.rights.remove({ verbs: ['create'], resource: 'services' })
  expect((await apply()).status).toBe(200)
  server.rights.remove({ verbs: ['list', 'watch'], resource: 'services', namespace: 'shop' })
  expect((await ask('GET', services)).status).toBe(403)
  expect((await ask('GET', '/api/v1/services')).status).toBe(200)
})

test('A kind goes with its definition', async () => {
  server.put(routeOf('a'))
  const before = await ask('GET', '/apis/gateway.networking.k8s.io/v1')
  expect((before.body['resources'] as { name: string }[]).map((r) => r.name)).toContain('httproutes')
  const resource = server.remove('HTTPRoute')
  expect((await ask('GET', routes)).status).toBe(404)
  server.serve(resource)
  expect((await ask('GET', routes)).body['items']).toEqual([])
})
