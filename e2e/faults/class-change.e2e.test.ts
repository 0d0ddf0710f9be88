/** A Gateway gets another class of ours under load: no request fails, at the earlier address or at the new one. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { untilControlPlaneReady } from '../testing/control-plane.ts'
import { curl, hostOf } from '../testing/curl.ts'
import { eventually, pause } from '../testing/eventually.ts'
import { conditionOf, controllerName, infrastructureOf, programmedAddress } from '../testing/gateway.ts'
import { apply, find, kubectl } from '../testing/kubectl.ts'
import { expectAllAnswered, underLoad } from '../testing/traffic.ts'
import { createWeb, type Web, webHost } from '../testing/web.ts'

const namespace = 'e2e-class-change'
const [otherClass, brokenClass] = ['e2e-class-change', 'e2e-class-change-broken']
let web: Web

/** Other parameters, so that its pods are others; of the broken one, pods that cannot start. */
const classesYaml = [
  [otherClass, 'logLevel: info'],
  [brokenClass, 'envoyImage: example.invalid/envoy:none'],
]
  .map(
    ([name, parameter]) => `
apiVersion: v1
kind: ConfigMap
metadata: {name: ${name}}
data: {${parameter}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ${name}}
spec:
  controllerName: ${controllerName}
  parametersRef: {group: "", kind: ConfigMap, name: ${name}, namespace: ${namespace}}
`,
  )
  .join('---')

const change = (name: string) =>
  kubectl([
    ...['-n', namespace, 'patch', 'gateway', 'web', '--type=merge'],
    ...['-p', JSON.stringify({ spec: { gatewayClassName: name } })],
  ])
const deployments = async () =>
  (await infrastructureOf('deployment', 'web', namespace)).map(({ metadata }) => metadata.name).sort()
const isPending = async () =>
  conditionOf(await find('gateway', 'web', namespace), 'gatewright.dev/InfrastructureComplete')?.reason === 'Pending'

/** Resolves when only the pods of this class are there. */
async function untilPodsOf(className: string): Promise<void> {
  await eventually(`the pods of class ${className} alone`, 120_000, async () => {
    const pods = await infrastructureOf('pods', 'web', namespace)
    return pods.length === 1 && pods[0]?.metadata.name.startsWith(`web-${className}-`)
  })
}

beforeAll(async () => {
  await untilControlPlaneReady()
  web = await createWeb(namespace)
  await apply(classesYaml, namespace)
})
afterAll(async () => {
  await web.remove()
  await kubectl(['delete', 'gatewayclass', otherClass, brokenClass, '--ignore-not-found'])
})

describe('Under load', () => {
  test('a Gateway gets another class of ours: no request fails at the earlier address, nor at the new one', async () => {
    let address = ''
    const earlier = await underLoad(web, async () => {
      await change(otherClass)
      await untilPodsOf(otherClass)
      expect(await deployments()).toEqual([`web-${otherClass}`])
      address = await eventually('the new address', 30_000, async () => {
        const now = await programmedAddress('web', namespace)
        return now === web.address ? undefined : now
      })
      const url = `http://${hostOf(address)}/`
      await eventually(
        'an answer at it',
        15_000,
        async () => (await curl(url, '-H', `Host: ${webHost}`)).status === 200,
      )
      expectAllAnswered(await underLoad({ url }, () => pause(5_000)))
    })
    expectAllAnswered(earlier)
  }, 300_000)

  test('its pods cannot start: the Gateway waits and says so, and no request fails', async () => {
    const url = `http://${hostOf(await programmedAddress('web', namespace))}/`
    const result = await underLoad({ url }, async () => {
      await change(brokenClass)
      await eventually('the condition', 30_000, isPending)
      await pause(15_000)
      expect(await deployments()).toEqual([`web-${otherClass}`, `web-${brokenClass}`].sort())
      expect(await isPending()).toBe(true)
      await change(otherClass)
      await eventually('the end of what cannot start', 30_000, async () => (await deployments()).length === 1)
      await pause(2_000)
    })
    expectAllAnswered(result)
  }, 240_000)
})
