/** The quickstart that most people know: a class, a Gateway whose address is pending, traffic all the same, clean-up. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { echoApplication } from '../testing/backend.ts'
import { curl } from '../testing/curl.ts'
import { eventually } from '../testing/eventually.ts'
import { conditionOf, gatewayClass, infrastructureOf, soleInfrastructureOf } from '../testing/gateway.ts'
import { createNamespace, deleteNamespace, find, forwardPort, kubectl, list } from '../testing/kubectl.ts'

const namespace = 'e2e-quickstart'
const host = 'www.example.com'
/** For documentation (RFC 5737): no load balancer can give it out, so that the address stays pending. */
const unobtainable = '203.0.113.7'

const gateway = (addresses: string) => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: eg}
spec:
  gatewayClassName: ${gatewayClass}
  ${addresses}
  listeners: [{name: http, protocol: HTTP, port: 80}]
`

const route = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: backend}
spec:
  parentRefs: [{name: eg}]
  hostnames: [${host}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /}}]
      backendRefs: [{group: "", kind: Service, name: backend, port: 3000, weight: 1}]
`

const quickstart = `${gateway(`addresses: [{type: IPAddress, value: ${unobtainable}}]`)}---${route}---${echoApplication('backend')}`

beforeAll(() => createNamespace(namespace))
afterAll(() => deleteNamespace(namespace))

describe('The quickstart', () => {
  test('15 finds a controllerName that is immutable', async () => {
    const patch = '{"spec": {"controllerName": "example.com/other"}}'
    await expect(kubectl(['patch', 'gatewayclass', gatewayClass, '--type=merge', '-p', patch])).rejects.toThrow(
      'immutable',
    )
  })

  test('17 is one file for kubectl', async () => {
    await kubectl(['-n', namespace, 'apply', '--server-side', '-f', '-'], { input: quickstart })
  })

  test('21 finds the application by its label', async () => {
    await kubectl(['-n', namespace, 'rollout', 'status', 'deployment/backend', '--timeout=30s'])
    expect(await list('pods,services', namespace, '-l', 'app=backend')).toHaveLength(2)
  })

  test('22 is not Programmed while its address is pending, and says why', async () => {
    const programmed = await eventually('Programmed to be told', 30_000, async () =>
      conditionOf(await find('gateway', 'eg', namespace), 'Programmed'),
    )
    expect(programmed).toMatchObject({ status: 'False', reason: expect.stringMatching(/^Address/) as string })
    const [header = '', row = ''] = (await kubectl(['-n', namespace, 'get', 'gateway'])).split('\n')
    expect(header.split(/\s+/)).toEqual(['NAME', 'CLASS', 'ADDRESS', 'PROGRAMMED', 'AGE'])
    expect(row.split(/\s+/).slice(0, 3)).toEqual(['eg', gatewayClass, 'False'])
  })

  test('22 carries traffic all the same, by way of a forwarded port', async () => {
    await kubectl([
      '-n',
      namespace,
      'rollout',
      'status',
      'deployment',
      '-l',
      'gateway.networking.k8s.io/gateway-name=eg',
      '--timeout=60s',
    ])
    const { metadata } = await soleInfrastructureOf('service', 'eg', namespace)
    const forward = await forwardPort(`service/${metadata.name}`, 80, namespace)
    try {
      expect(forward.said).toMatch(/-> 10080$/m)
      const answer = await eventually('the first 200', 15_000, async () => {
        const got = await curl(`http://127.0.0.1:${forward.port}/get`, '-H', `Host: ${host}`)
        return got.status === 200 && got
      })
      // The backend's own headers, none of the proxy's.
      expect(Object.keys(answer.headers).sort()).toEqual([
        'content-length',
        'content-type',
        'date',
        'x-content-type-options',
      ])
    } finally {
      forward.close()
    }
  })

  test('27 lists routes with their hostnames', async () => {
    const [header = '', row = ''] = (await kubectl(['-n', namespace, 'get', 'httproute'])).split('\n')
    expect(header.split(/\s+/)).toEqual(['NAME', 'HOSTNAMES', 'AGE'])
    expect(row.split(/\s+/).slice(0, 2)).toEqual(['backend', `["${host}"]`])
  })

  test('27 matches whatever port the Host names, and forwards the Host unchanged', async () => {
    const { metadata } = await soleInfrastructureOf('service', 'eg', namespace)
    const forward = await forwardPort(`service/${metadata.name}`, 80, namespace)
    try {
      const answer = await curl(`http://127.0.0.1:${forward.port}/get`, '-H', `Host: ${host}:30001`)
      expect(answer.status).toBe(200)
      expect(JSON.parse(answer.body)).toMatchObject({ host: `${host}:30001` })
    } finally {
      forward.close()
    }
  })

  test('becomes Programmed when it asks for no address that cannot be had', async () => {
    await kubectl(['-n', namespace, 'apply', '--server-side', '-f', '-'], { input: gateway('') })
    await eventually(
      'Programmed',
      30_000,
      async () => conditionOf(await find('gateway', 'eg', namespace), 'Programmed')?.status === 'True',
    )
  })

  test('30 is cleaned up by deleting the file: no proxy is left, nothing hangs', async () => {
    const args = ['-n', namespace, 'delete', '-f', '-', '--ignore-not-found=true', '--timeout=30s']
    await kubectl(args, { input: quickstart })
    for (const kind of ['deployment', 'service', 'serviceaccount', 'configmap', 'pod'])
      await eventually(
        `the ${kind} to go`,
        90_000,
        async () => (await infrastructureOf(kind, 'eg', namespace)).length === 0,
      )
  })
})
