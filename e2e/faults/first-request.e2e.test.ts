/** How long it takes from applying a Gateway to its first answer. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { serverApplication } from '../testing/backend.ts'
import { untilControlPlaneReady } from '../testing/control-plane.ts'
import { curl, hostOf } from '../testing/curl.ts'
import { eventually } from '../testing/eventually.ts'
import { conditionOf, systemNamespace } from '../testing/gateway.ts'
import { apply, createNamespace, deleteNamespace, find, kubectl } from '../testing/kubectl.ts'
import { gatewayYaml, routeYaml, webHost } from '../testing/web.ts'

const namespace = 'e2e-first-request'

beforeAll(async () => {
  await untilControlPlaneReady()
  await createNamespace(namespace)
  await apply(serverApplication({ name: 'web', port: 80 }), namespace)
  await kubectl(['-n', namespace, 'rollout', 'status', 'deployment/web', '--timeout=60s'])
})
afterAll(() => deleteNamespace(namespace))

/** @returns milliseconds from "kubectl apply" to the first 200 through the Gateway's address; how they divide is told */
async function measure(name: string): Promise<number> {
  const began = performance.now()
  const steps = new Map<string, number>()
  const note = (step: string) => void (steps.has(step) || steps.set(step, performance.now() - began))
  await apply(`${gatewayYaml(name)}---${routeYaml(name, '1', name)}`, namespace)
  note('applied')
  await eventually(`the first 200 of ${name}, and that it is told`, 60_000, async () => {
    const gateway = await find('gateway', name, namespace)
    const address = (gateway?.['status']?.addresses as { value: string }[] | undefined)?.find(
      (a) => !a.value.includes(':'),
    )
    if (!address) return false
    note('address told')
    if (conditionOf(gateway, 'Programmed')?.status === 'True') note('Programmed told')
    if ((await curl(`http://${hostOf(address.value)}/`, '-H', `Host: ${webHost}`)).status === 200) note('first 200')
    return steps.has('first 200') && steps.has('Programmed told')
  })
  console.log(`    ${name}: ${[...steps].map(([step, at]) => `${step} ${at.toFixed(0)} ms`).join(', ')}`)
  return steps.get('first 200') ?? Number.NaN
}

describe('The first answer of a new Gateway', () => {
  test('comes within 3 s', async () => {
    const times = [await measure('first'), await measure('second'), await measure('third')]
    expect(times.sort((a, b) => a - b)[1]).toBeLessThan(3_000)
  })

  test('comes within 5 s after a restart of the control plane', async () => {
    await kubectl(['-n', systemNamespace, 'rollout', 'restart', 'deployment/gatewright'])
    await kubectl(['-n', systemNamespace, 'rollout', 'status', 'deployment/gatewright', '--timeout=90s'], {
      limit: 100_000,
    })
    expect(await measure('restarted')).toBeLessThan(5_000)
  })
})
