import { expect } from 'vitest'
import { Load, type LoadResult, longestLoad } from '../../src/testing/load.ts'
import type { Web } from './web.ts'
import { webHost } from './web.ts'

/**
 * Runs `during` while clients send requests one after the other, over HTTP/1.1 and HTTP/2, on connections that they keep
 * and on new ones.
 * @returns what the clients saw, added up
 */
export async function underLoad(web: Pick<Web, 'url'>, during: () => Promise<void>): Promise<LoadResult> {
  const start = () =>
    new Load({
      url: web.url,
      host: webHost,
      protocols: ['http1', 'http2'],
      keepAliveClients: 6,
      newConnectionClients: 2,
    })
  const results: LoadResult[] = []
  let load = start()
  await load.running
  // A load ends by itself; what takes longer gets the next one.
  const relay = setInterval(() => {
    const ending = load
    load = start()
    relayed.push(ending.stop().then((result) => void results.push(result)))
  }, longestLoad / 2)
  const relayed: Promise<void>[] = []
  try {
    await during()
  } finally {
    clearInterval(relay)
    results.push(await load.stop())
    await Promise.all(relayed)
  }
  return results.reduce(add)
}

function add(a: LoadResult, b: LoadResult): LoadResult {
  const sum = (x: Readonly<Record<string, number>>, y: Readonly<Record<string, number>>) => {
    const total = { ...x }
    for (const [key, value] of Object.entries(y)) total[key] = (total[key] ?? 0) + value
    return total
  }
  return {
    requests: a.requests + b.requests,
    answers: { http1: a.answers.http1 + b.answers.http1, http2: a.answers.http2 + b.answers.http2 },
    statuses: sum(a.statuses, b.statuses),
    services: sum(a.services, b.services),
    failed: a.failed + b.failed,
    misrouted: a.misrouted + b.misrouted,
    failures: [...a.failures, ...b.failures].slice(0, 10),
  }
}

/** Every request was answered with 200, and there were enough of them to mean something. */
export function expectAllAnswered(result: LoadResult, atLeast = 500): void {
  console.log(`    ${result.requests} requests: ${JSON.stringify(result.statuses)}`)
  expect({ statuses: Object.keys(result.statuses), failures: result.failures }).toEqual({
    statuses: ['200'],
    failures: [],
  })
  expect(result.requests).toBeGreaterThan(atLeast)
}
