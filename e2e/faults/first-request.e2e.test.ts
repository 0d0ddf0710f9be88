/** How long it takes from applying a Gateway to its first answer. */
import { get } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { serverApplication } from '../testing/backend.ts'
import { untilControlPlaneReady } from '../testing/control-plane.ts'
import { eventually, pause } from '../testing/eventually.ts'
import { systemNamespace } from '../testing/gateway.ts'
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

/** The status of one answer, undefined if there is none. In this process: many curls would keep the machine busy. */
function ask(address: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const request = get({ host: address, agent: false, headers: { host: webHost }, timeout: 1_000 }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    request.on('timeout', () => request.destroy())
    request.on('error', () => resolve(undefined))
    request.on('close', () => resolve(undefined))
  })
}

/** @returns milliseconds from "kubectl apply" to the first 200 through the Gateway's address; how they divide is told */
async function measure(name: string): Promise<number> {
  const began = performance.now()
  const steps: [step: string, at: number][] = []
  const note = (step: string) => {
    const at = performance.now() - began
    steps.push([step, at])
    return at
  }
  await apply(`${gatewayYaml(name)}---${routeYaml(name, '1', name)}`, namespace)
  note('applied')
  const address = await eventually(`the address of ${name}`, 30_000, async () => {
    const addresses = (await find('gateway', name, namespace))?.['status']?.addresses as { value: string }[] | undefined
    return addresses?.find(({ value }) => !value.includes(':'))?.value
  })
  note('address told')
  const isTold = kubectl(['-n', namespace, 'wait', `gateway/${name}`, '--for=condition=Programmed', '--timeout=60s'], {
    limit: 70_000,
  }).then(() => note('Programmed told'))
  const deadline = performance.now() + 60_000
  while ((await ask(address)) !== 200) {
    if (performance.now() > deadline) throw new Error(`${name} has not answered with 200 within 60 s`)
    await pause(25)
  }
  const time = note('first 200')
  await isTold
  console.log(`    ${name}: ${steps.map(([step, at]) => `${step} ${at.toFixed(0)} ms`).join(', ')}`)
  return time
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
