/** The control plane dies, changes its leader, and loses the API server: traffic does not notice. */
import process from 'node:process'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { runCommand } from '../testing/command.ts'
import {
  controlPlanePods,
  countRestarts,
  findLeader,
  killPod,
  untilControlPlaneReady,
} from '../testing/control-plane.ts'
import { eventually, pause } from '../testing/eventually.ts'
import { parentConditionOf, systemNamespace } from '../testing/gateway.ts'
import { find, kubectl } from '../testing/kubectl.ts'
import { expectAllAnswered, underLoad } from '../testing/traffic.ts'
import { createWeb, type Web } from '../testing/web.ts'

const namespace = 'e2e-control-plane'
let web: Web
let version = 0

/** A change of a route is served, and told in its status. @returns the milliseconds until it was served */
async function changeRoute(limit: number): Promise<number> {
  version += 1
  const began = performance.now()
  await web.setVersion(String(version))
  await eventually(`version ${version} to be served`, limit, async () => (await web.seenVersion()) === String(version))
  const took = performance.now() - began
  await eventually(
    'the status',
    limit,
    async () => parentConditionOf(await find('httproute', 'web', namespace), 'Accepted')?.status === 'True',
  )
  return took
}

beforeAll(async () => {
  await untilControlPlaneReady()
  web = await createWeb(namespace)
})
afterAll(() => web.remove())
afterEach(() => untilControlPlaneReady(90_000))

describe('The control plane', () => {
  test('is killed 20 times under load: no request fails, and the next change is served', async () => {
    const result = await underLoad(web, async () => {
      for (let i = 0; i < 20; i++) {
        const pods = await controlPlanePods()
        const victim = pods[i % pods.length]
        if (victim) await killPod(victim.metadata.name)
        await pause(2_500)
      }
    })
    expectAllAnswered(result)
    await changeRoute(30_000)
  }, 240_000)

  test('has a new leader at once when the old one ends, and soon when it dies', async () => {
    const leader = await eventually('a leader', 30_000, findLeader)
    const result = await underLoad(web, async () => {
      let began = performance.now()
      await kubectl(['-n', systemNamespace, 'delete', 'pod', leader, '--wait=false'])
      const next = await eventually('another leader', 15_000, async () => {
        const now = await findLeader()
        return now !== leader && now
      })
      const given = performance.now() - began
      await changeRoute(10_000)
      await untilControlPlaneReady()
      began = performance.now()
      await killPod(next)
      await eventually('a third leader', 25_000, async () => {
        const now = await findLeader()
        return now !== next && now
      })
      console.log(`    lease given back: ${given.toFixed(0)} ms; lost: ${(performance.now() - began).toFixed(0)} ms`)
      await changeRoute(10_000)
    })
    expectAllAnswered(result)
  }, 180_000)

  const isOwnCluster = process.env['own_cluster'] === '1'
  // A rule of the machine's packet filter cuts the pods off; that is only possible where the node is this machine.
  test.runIf(isOwnCluster)(
    'is cut off from the API server: no request fails, nothing restarts, what was missed is served',
    async () => {
      const cutFor = Number(process.env['GATEWRIGHT_E2E_CUT_SECONDS'] ?? 60) * 1000
      const restarts = await countRestarts()
      let served = 0
      const result = await underLoad(web, async () => {
        const pods = await controlPlanePods()
        const heal = await cutOff(pods.flatMap((pod) => (pod['status'].podIPs as { ip: string }[]).map(({ ip }) => ip)))
        try {
          await pause(cutFor - 1_000)
          version += 1
          await web.setVersion(String(version))
          await pause(1_000)
          expect(await web.seenVersion()).not.toBe(String(version))
        } finally {
          await heal()
        }
        const began = performance.now()
        await eventually('what was missed', 40_000, async () => (await web.seenVersion()) === String(version))
        served = performance.now() - began
      })
      console.log(`    served ${(served / 1000).toFixed(1)} s after the API server was back`)
      expectAllAnswered(result)
      expect(await countRestarts()).toBe(restarts)
      await changeRoute(15_000)
    },
    600_000,
  )
})

/** Drops what the addresses send to the API server, without a word. */
async function cutOff(addresses: readonly string[]): Promise<() => Promise<void>> {
  const table = 'gatewright-e2e-cut'
  const nft = async (text: string) => {
    const { status, stderr } = await runCommand('nft', ['-f', '-'], { input: text })
    if (status !== 0) throw new Error(`nft: ${stderr}`)
  }
  const rules = addresses.map(
    (address) =>
      `add rule inet ${table} input ${address.includes(':') ? 'ip6' : 'ip'} saddr ${address} tcp dport 6443 drop`,
  )
  await nft(
    [
      `add table inet ${table}`,
      `add chain inet ${table} input { type filter hook input priority -10 ; }`,
      ...rules,
    ].join('\n'),
  )
  return () => nft(`delete table inet ${table}`)
}
