import { describe, expect, test } from 'vitest'
import { Scheduler } from '../collections/scheduler.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import { portKey } from '../graph/programming.ts'
import { listMisdirectedHosts } from './misdirected-host.ts'
import { type ListenerFacts, sortHostnames } from './route-fragment.ts'
import type { TableTracing } from './tracing.ts'

const gateway = 'shop/edge' as NamespacedName

function listHosts(own: string, hostnames: readonly string[], protocol: 'HTTP' | 'HTTPS' = 'HTTPS'): string[] {
  const scheduler = new Scheduler({ rethrow: true })
  const portHostnames = scheduler.source<string, readonly string[]>('hostnames')
  const tracings = scheduler.source<NamespacedName, TableTracing>('tracings')
  const listeners = scheduler.source<string, ListenerFacts>('listeners')
  const hosts = scheduler.deriveMany('hosts', listeners, (listener, reads) =>
    listMisdirectedHosts(listener, reads, portHostnames, tracings),
  )
  scheduler.batch(() => {
    const port = 443
    const place = portKey(gateway, port)
    portHostnames.set(place, sortHostnames(hostnames))
    listeners.set('own', { gateway, port, place, protocol, hostname: own, table: 'own', filters: [], isClosed: false })
  })
  return [...hosts.entries()].map(([, host]) => host.hostname).sort()
}

describe('misdirected hosts', () => {
  const hostnames = ['', 'second.org', '*.wildcard.org', 'fourth.wildcard.org']

  test('of the listener for every host are those of all others', () => {
    expect(listHosts('', hostnames)).toEqual(['*.wildcard.org', 'fourth.wildcard.org', 'second.org'])
  })

  test('of a listener beside one for every host are all but its own', () => {
    expect(listHosts('second.org', hostnames)).toEqual(['*'])
    expect(listHosts('*.wildcard.org', hostnames)).toEqual(['*', 'fourth.wildcard.org'])
  })

  test('are those of some listener only: others stay unknown', () => {
    expect(listHosts('second.org', hostnames.slice(1))).toEqual(['*.wildcard.org', 'fourth.wildcard.org'])
    expect(listHosts('second.org', ['second.org'])).toEqual([])
  })

  test('are no matter of HTTP, where a connection belongs to no listener', () => {
    expect(listHosts('second.org', hostnames, 'HTTP')).toEqual([])
  })

  test('outside of a listener are not listed when they would fill every table', () => {
    const many = Array.from({ length: 300 }, (_, i) => `h${i}.example.com`)
    expect(listHosts('*.example.com', [...many, '*.example.com', 'other.org'])).toHaveLength(300)
    expect(listHosts('other.org', [...many, 'other.org'])).toEqual([])
    expect(listHosts('other.org', [...many, 'other.org', ''])).toEqual(['*'])
  })
})
