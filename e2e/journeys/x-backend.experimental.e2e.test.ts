/** Pods by their labels: an XBackend of type EndpointSelector, from the first answer to its end. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { serverApplication } from '../testing/backend.ts'
import { curl, hostOf } from '../testing/curl.ts'
import { eventually } from '../testing/eventually.ts'
import { parentConditionOf, programmedAddress } from '../testing/gateway.ts'
import { apply, createNamespace, deleteNamespace, find, kubectl } from '../testing/kubectl.ts'
import { expectAllAnswered, underLoad } from '../testing/traffic.ts'
import { gatewayYaml, webHost } from '../testing/web.ts'

const namespace = 'e2e-x-backend'
/** Of the Service that stands for the XBackend. */
const serviceName = 'live-xbackend'
let url = ''

const xBackend = `
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XBackend
metadata: {name: live}
spec:
  type: EndpointSelector
  protocol: HTTP
  port: {number: 8080}
  endpointSelector: {matchLabels: {pool: live}}
`

const route = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: live}
spec:
  parentRefs: [{name: live}]
  hostnames: [${webHost}]
  rules:
    - backendRefs: [{group: gateway.networking.x-k8s.io, kind: XBackend, name: live}]
`

const ask = async () => {
  const { status, body } = await curl(url, '-H', `Host: ${webHost}`)
  return { status, service: status === 200 ? (JSON.parse(body) as { service: string }).service : undefined }
}

/** Which of the two applications are among twenty answers. */
async function seenServices(): Promise<string[]> {
  const seen = new Set<string>()
  for (let i = 0; i < 20; i++) seen.add((await ask()).service ?? 'none')
  return [...seen].sort()
}

const label = (application: string, value: string) =>
  kubectl(['-n', namespace, 'label', 'pods', '-l', `app=${application}`, '--overwrite', value])

const addressesOf = async (application: string) =>
  (
    await kubectl([
      '-n',
      namespace,
      'get',
      'pods',
      '-l',
      `app=${application}`,
      '-o',
      'jsonpath={.items[*].status.podIP}',
    ])
  )
    .split(' ')
    .sort()

beforeAll(async () => {
  await createNamespace(namespace)
  for (const name of ['blue', 'green']) await apply(serverApplication({ name, port: 80, replicas: 2 }), namespace)
  await apply(gatewayYaml('live'), namespace)
  for (const name of ['blue', 'green'])
    await kubectl(['-n', namespace, 'rollout', 'status', `deployment/${name}`, '--timeout=60s'])
  url = `http://${hostOf(await programmedAddress('live', namespace))}/`
})
afterAll(() => deleteNamespace(namespace))

describe('An XBackend that chooses pods by their labels', () => {
  test('is answered by the pods that have them', async () => {
    await label('blue', 'pool=live')
    await apply(`${xBackend}---${route}`, namespace)
    await eventually('the first 200', 15_000, async () => (await ask()).status === 200)
    expect(await seenServices()).toEqual(['blue'])
  })

  test('has a headless Service that belongs to it', async () => {
    const owner = await find('xbackends.gateway.networking.x-k8s.io', 'live', namespace)
    const service = await find('service', serviceName, namespace)
    expect(service?.['spec']).toMatchObject({ clusterIP: 'None', selector: { pool: 'live' }, ports: [{ port: 8080 }] })
    expect(service?.metadata).toMatchObject({ ownerReferences: [{ kind: 'XBackend', uid: owner?.metadata.uid }] })
  })

  test('follows the labels without losing a request', async () => {
    const result = await underLoad({ url }, async () => {
      await label('green', 'pool=live')
      await eventually('both', 10_000, async () => (await seenServices()).length === 2)
      await label('blue', 'pool-')
      await eventually('green alone', 10_000, async () => (await seenServices()).join() === 'green')
    })
    expectAllAnswered(result)
    const slices = await kubectl([
      ...['-n', namespace, 'get', 'endpointslices', '-l', `kubernetes.io/service-name=${serviceName}`],
      ...['-o', 'jsonpath={.items[?(@.addressType=="IPv4")].endpoints[*].addresses[0]}'],
    ])
    expect(slices.split(' ').sort()).toEqual(await addressesOf('green'))
  })

  test('takes its Service with it, and says what is missing', async () => {
    await kubectl(['-n', namespace, 'delete', 'xbackends.gateway.networking.x-k8s.io', 'live', '--timeout=30s'])
    await eventually('its Service to go', 30_000, async () => !(await find('service', serviceName, namespace)))
    await eventually('500', 10_000, async () => (await ask()).status === 500)
    const condition = await eventually('the status of the route', 10_000, async () => {
      const found = parentConditionOf(await find('httproute', 'live', namespace), 'ResolvedRefs')
      return found?.status === 'False' && found
    })
    expect(condition).toMatchObject({ reason: 'BackendNotFound' })
  })

  test('makes another Service when it comes back', async () => {
    await apply(xBackend, namespace)
    await eventually('200 again', 15_000, async () => (await ask()).status === 200)
    expect(await seenServices()).toEqual(['green'])
  })
})
