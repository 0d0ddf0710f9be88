/** Proxies and backends come and go under load: no request fails. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { untilControlPlaneReady } from '../testing/control-plane.ts'
import { eventually, pause } from '../testing/eventually.ts'
import { infrastructureOf, soleInfrastructureOf } from '../testing/gateway.ts'
import { kubectl, list } from '../testing/kubectl.ts'
import { expectAllAnswered, underLoad } from '../testing/traffic.ts'
import { createWeb, type Web } from '../testing/web.ts'

const namespace = 'e2e-proxies'
let web: Web
let proxy = ''

const rolledOut = (deployment: string) =>
  kubectl(['-n', namespace, 'rollout', 'status', `deployment/${deployment}`, '--timeout=90s'], { limit: 100_000 })

/** Resolves when no pod of the Gateway is ending any more. */
async function untilPods(count: number): Promise<void> {
  await eventually(`${count} proxies`, 90_000, async () => {
    const pods = await infrastructureOf('pods', 'web', namespace)
    return pods.length === count
  })
}

beforeAll(async () => {
  await untilControlPlaneReady()
  web = await createWeb(namespace, { replicas: 3 })
  proxy = (await soleInfrastructureOf('deployment', 'web', namespace)).metadata.name
})
afterAll(() => web.remove())

describe('Under load', () => {
  test('the proxies are rolled out anew: no request fails', async () => {
    const before = (await infrastructureOf('pods', 'web', namespace)).map(({ metadata }) => metadata.uid)
    const result = await underLoad(web, async () => {
      await kubectl(['-n', namespace, 'rollout', 'restart', `deployment/${proxy}`])
      await rolledOut(proxy)
      await untilPods(before.length)
    })
    const after = (await infrastructureOf('pods', 'web', namespace)).map(({ metadata }) => metadata.uid)
    expect(after.filter((uid) => before.includes(uid))).toEqual([])
    expectAllAnswered(result)
  }, 240_000)

  test('proxies are added and taken away: no request fails, and nobody fights for their number', async () => {
    const result = await underLoad(web, async () => {
      await kubectl(['-n', namespace, 'scale', `deployment/${proxy}`, '--replicas=3'])
      await rolledOut(proxy)
      await pause(2_000)
      await kubectl(['-n', namespace, 'scale', `deployment/${proxy}`, '--replicas=1'])
      await untilPods(1)
    })
    expectAllAnswered(result)
    expect((await soleInfrastructureOf('deployment', 'web', namespace))['spec'].replicas).toBe(1)
  }, 240_000)

  test('backends are replaced again and again: no request fails', async () => {
    const result = await underLoad(web, async () => {
      for (let i = 0; i < 3; i++) {
        await kubectl(['-n', namespace, 'rollout', 'restart', 'deployment/web'])
        await rolledOut('web')
        const pods = await list('pods', namespace, '-l', 'app=web')
        const victim = pods.find(({ metadata }) => metadata.deletionTimestamp === undefined)
        if (victim) await kubectl(['-n', namespace, 'delete', 'pod', victim.metadata.name, '--wait=false'])
        await pause(1_000)
      }
    })
    expectAllAnswered(result)
  }, 240_000)

  test('what somebody deletes is made again', async () => {
    const { metadata } = await soleInfrastructureOf('service', 'web', namespace)
    await kubectl(['-n', namespace, 'delete', 'service', metadata.name])
    await eventually('the Service', 15_000, async () => {
      const [service] = await infrastructureOf('service', 'web', namespace)
      return service !== undefined && service.metadata.uid !== metadata.uid
    })
  })
})
