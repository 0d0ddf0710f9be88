import { describe, expect, it } from 'vitest'
import { namespacedName } from '../../gatewayapi/object-key.ts'
import { AddressPlanner, type BindProbe } from './address-plan.ts'

const web = namespacedName('default', 'web')
const shop = namespacedName('default', 'shop')
const allFree: BindProbe = async () => 'free'
const request = (gateway: typeof web, ports: number[], requestedAddresses: string[] = []) => ({
  gateway,
  ports,
  requestedAddresses,
})

describe('an address planner', () => {
  it('gives the first Gateway the listen address and its own ports', async () => {
    const plan = await new AddressPlanner('127.0.0.1', allFree).plan(request(web, [8080, 8443]))
    expect(plan.address).toBe('127.0.0.1')
    expect([...plan.bound]).toEqual([
      [8080, 8080],
      [8443, 8443],
    ])
  })

  it('moves a privileged port that is forbidden by 10000', async () => {
    const plan = await new AddressPlanner('127.0.0.1', async (_, port) => (port < 1024 ? 'forbidden' : 'free')).plan(
      request(web, [80]),
    )
    expect([...plan.bound]).toEqual([[80, 10080]])
  })

  it('gives a Gateway whose ports collide the next loopback address', async () => {
    const planner = new AddressPlanner('127.0.0.1', allFree)
    await planner.plan(request(web, [8080]))
    expect((await planner.plan(request(shop, [8080]))).address).toBe('127.0.0.2')
  })

  it('lets Gateways without a common port share the listen address', async () => {
    const planner = new AddressPlanner('127.0.0.1', allFree)
    await planner.plan(request(web, [8080]))
    expect((await planner.plan(request(shop, [9090]))).address).toBe('127.0.0.1')
  })

  it('moves nothing that a Gateway has when a listener is added', async () => {
    let freeNow = true
    const planner = new AddressPlanner('127.0.0.1', async () => (freeNow ? 'free' : 'in-use'))
    await planner.plan(request(web, [8080]))
    freeNow = false
    const plan = await planner.plan(request(web, [8080, 8443]))
    expect([...plan.bound]).toEqual([[8080, 8080]])
    expect(plan.problems.get(8443)).toBe(
      'port 8443 of 127.0.0.1 is in use by another process: end it, or use another port',
    )
  })

  it('names the Gateway that has a port already', async () => {
    const planner = new AddressPlanner('0.0.0.0', allFree)
    await planner.plan(request(web, [8080]))
    expect((await planner.plan(request(shop, [8080]))).problems.get(8080)).toContain('belongs to Gateway "default/web"')
  })

  it('frees what a deleted Gateway had', async () => {
    const planner = new AddressPlanner('127.0.0.1', allFree)
    await planner.plan(request(web, [8080]))
    planner.release(web)
    expect((await planner.plan(request(shop, [8080]))).address).toBe('127.0.0.1')
  })

  it('takes the address that the Gateway asks for, and says when the machine does not have it', async () => {
    const planner = new AddressPlanner('127.0.0.1', async (address) =>
      address === '192.0.2.7' ? 'no-address' : 'free',
    )
    const plan = await planner.plan(request(web, [8080], ['192.0.2.7']))
    expect(plan.address).toBe('192.0.2.7')
    expect(plan.problems.get(8080)).toContain('this machine has no address 192.0.2.7')
  })
})
