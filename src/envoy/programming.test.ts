import { beforeEach, describe, expect, it } from 'vitest'
import type { Collection, Source } from '../collections/collection.ts'
import { Scheduler } from '../collections/scheduler.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { Graph } from '../graph/graph.ts'
import type { ListenerKey, ListenerNode } from '../graph/listener.ts'
import type { PortProgramming } from '../graph/programming.ts'
import type { ResourceAck } from '../xds/acks.ts'
import { type EnvoyResource, resourceKey, typeUrls } from '../xds/resource.ts'
import { scopeName } from './names.ts'
import { createProgramming } from './programming.ts'

const gateway = 'shop/edge' as NamespacedName
const listenerVerdict = `${typeUrls.listener}\n${gateway}\nport-443`
const tableVerdict = (name: string) => `${typeUrls.route}\n${gateway}\n${name}`

let scheduler: Scheduler
let verdicts: Source<string, ResourceAck>
let wanted: Source<string, EnvoyResource>
let scopes: Source<string, EnvoyResource>
let programming: Collection<string, PortProgramming>
let graph: Graph
let ready: Source<NamespacedName, true>

beforeEach(() => {
  scheduler = new Scheduler({ rethrow: true })
  const listeners = scheduler.source<ListenerKey, ListenerNode>('listeners')
  verdicts = scheduler.source('verdicts')
  wanted = scheduler.source('wanted')
  scopes = scheduler.source('scopes')
  // Only what is read of them.
  graph = { listeners } as unknown as Graph
  ready = scheduler.source('ready')
  programming = createProgramming(scheduler, graph, { listener: wanted, scopedRoute: scopes } as never, verdicts, ready)
  scheduler.batch(() => {
    ready.set(gateway, true)
    for (const [name, verdict] of [
      ['a.test', 'accepted'],
      ['b.test', 'accepted'],
      ['c.test', 'attachable'],
    ] as const)
      listeners.set(
        `${gateway}/${name}` as ListenerKey,
        { gateway, port: 443, protocol: 'HTTPS', hostname: name, verdict } as ListenerNode,
      )
  })
})

function want(version: string): void {
  scheduler.batch(() => wanted.set(resourceKey(gateway, 'port-443'), { version } as EnvoyResource))
}

function say(key: string, verdict: ResourceAck): void {
  scheduler.batch(() => verdicts.set(key, verdict))
}

function state(): [string, string] {
  const { state, message } = programming.get('shop/edge/443') as PortProgramming
  return [state, message]
}

describe('a port of a Gateway', () => {
  it('is pending until it has an address', () => {
    expect(state()).toEqual(['pending', 'waiting for an address and a port to listen on'])
  })

  it('is programmed when Envoy has accepted the listener and the tables of all that serve', () => {
    want('1')
    expect(state()).toEqual(['pending', 'waiting for Envoy to accept the configuration'])
    say(listenerVerdict, { ackedVersion: '1' })
    expect(state()).toEqual(['pending', 'waiting for Envoy to accept the configuration'])
    say(tableVerdict('port-443/a.test'), { ackedVersion: 'x' })
    expect(state()).toEqual(['pending', 'waiting for Envoy to accept the configuration'])
    say(tableVerdict('port-443/b.test'), { ackedVersion: 'y' })
    expect(state()).toEqual(['programmed', ''])
  })

  it('with a table that is divided is programmed when all of its scopes are accepted', () => {
    const names = ['0', '1'].map((bucket) => scopeName('port-443/b.test', 16, bucket))
    scheduler.batch(() => {
      for (const name of names)
        scopes.set(resourceKey(gateway, name), { scope: gateway as string, name } as EnvoyResource)
    })
    want('1')
    say(listenerVerdict, { ackedVersion: '1' })
    say(tableVerdict('port-443/a.test'), { ackedVersion: 'x' })
    say(`${typeUrls.scopedRoute}\n${gateway}\n${names[0]}`, { ackedVersion: 'y' })
    expect(state()).toEqual(['pending', 'waiting for Envoy to accept the configuration'])
    say(`${typeUrls.scopedRoute}\n${gateway}\n${names[1]}`, { ackedVersion: 'y' })
    expect(state()).toEqual(['programmed', ''])
  })

  it('stays programmed while a table changes, and not while the listener does', () => {
    want('1')
    say(listenerVerdict, { ackedVersion: '1' })
    say(tableVerdict('port-443/a.test'), { ackedVersion: 'x' })
    say(tableVerdict('port-443/b.test'), { ackedVersion: 'y', rejected: { version: 'z', message: 'bad' } })
    expect(state()).toEqual(['programmed', ''])
    want('2')
    expect(state()).toEqual(['pending', 'waiting for Envoy to accept the configuration'])
  })

  it('is pending while no proxy is ready, however much they have accepted', () => {
    scheduler.batch(() => ready.delete(gateway))
    want('1')
    say(listenerVerdict, { ackedVersion: '1' })
    say(tableVerdict('port-443/a.test'), { ackedVersion: 'x' })
    say(tableVerdict('port-443/b.test'), { ackedVersion: 'y' })
    expect(state()).toEqual(['pending', 'waiting for Envoy to be ready for connections'])
    scheduler.batch(() => ready.set(gateway, true))
    expect(state()).toEqual(['programmed', ''])
  })

  it('tells why Envoy refused it, until there is another version', () => {
    want('1')
    say(listenerVerdict, { rejected: { version: '1', message: 'cannot bind' } })
    expect(state()).toEqual(['rejected', 'Envoy refused the listener: cannot bind'])
    want('2')
    expect(state()).toEqual(['pending', 'waiting for Envoy to accept the configuration'])
  })
})
