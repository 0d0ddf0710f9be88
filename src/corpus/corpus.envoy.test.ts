import { readdirSync, readFileSync } from 'node:fs'
import process from 'node:process'
import { afterEach, describe, expect, it } from 'vitest'
import { type Json, renderResource } from '../envoy/proto-json.ts'
import { startEchoBackend } from '../testing/echo-backend.ts'
import { validateWithEnvoy } from '../testing/golden-runner.ts'
import { Load } from '../testing/load.ts'
import { repeat, StandaloneFixture } from '../testing/standalone-fixture.ts'
import { buildStaticBootstraps } from '../testing/static-bootstrap.ts'
import { type BadCase, sharedGateway } from './bad-case.ts'
import { listBadCases } from './corpus.ts'
import { formats } from './header-cases.ts'
import {
  buildFiles,
  healthyAuthority,
  healthyHost,
  healthyHostOf,
  listComplaints,
  type Translation,
  translateCases,
} from './tenants.ts'

const cases = listBadCases()

/** Cases for which Envoy itself has to find the mistake. The goal is at most one in a hundred. */
const foundByEnvoy: readonly string[] = []

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function render({ resources }: Translation): [name: string, resource: Json][] {
  return resources.map((resource) => [
    `${resource.scope} ${resource.typeUrl} ${resource.name}`,
    renderResource(resource),
  ])
}

/** Another listener whose certificate is good for the host, too, sends those away who come to it for the host. */
function isMisdirected({ routes }: { routes: unknown[] }): boolean {
  return JSON.stringify(routes) === '[{"match":{"prefix":"/"},"direct_response":{"status":421}}]'
}

/** What the healthy tenant has in Envoy. */
function listHealthy(translation: Translation): string[] {
  return render(translation)
    .flatMap(([name, resource]) => {
      const hosts = (resource as { virtual_hosts?: { name: string; routes: unknown[] }[] }).virtual_hosts
      if (hosts === undefined) return name.includes('healthy') ? [`${name} ${JSON.stringify(resource)}`] : []
      // Others may have the hostname too, but only behind the route that takes every request.
      return hosts
        .filter((host) => host.name === healthyHost && !isMisdirected(host))
        .map((host) => `${name} ${JSON.stringify({ ...host, routes: host.routes.slice(0, 1) })}`)
    })
    .filter((text) => text.startsWith(`${sharedGateway.namespace}/${sharedGateway.name} `))
    .sort()
}

it('has enough cases, each with a name of its own, and nearly all end before Envoy', () => {
  expect(new Set(cases.map((c) => c.name)).size).toBe(cases.length)
  expect(cases.length).toBeGreaterThanOrEqual(300)
  expect(foundByEnvoy.length).toBeLessThanOrEqual(cases.length / 100)
})

describe('beside a healthy tenant', async () => {
  const alone = await translateCases([])
  const usual = new Set(listComplaints(alone.statuses))
  const healthy = listHealthy(alone)

  it('finds what the healthy tenant has', () => {
    expect(alone.problems).toEqual([])
    // Two tables, a cluster, its endpoints, a certificate.
    expect(healthy).toHaveLength(5)
  })

  it.each(cases.map((c) => [c.name, c.attacks, c] as const))('%s: %s', async (_name, _attacks, badCase) => {
    const translation = await translateCases([badCase])
    const complaints = listComplaints(translation.statuses).filter((text) => !usual.has(text))
    const { problems } = translation
    if (badCase.endsIn === 'translation') expect([...problems, ...complaints]).toEqual([])
    if (badCase.endsIn === 'check') expect(problems).toEqual([])
    if (badCase.endsIn !== 'translation') expect([...problems, ...complaints]).not.toEqual([])
    const told = (badCase.endsIn === 'check' ? complaints : problems).join('\n')
    for (const fragment of badCase.told) expect(told).toContain(fragment)
    const sent = JSON.stringify(render(translation))
    for (const fragment of badCase.sent ?? []) expect(sent).toContain(fragment)
    // The message of one may not be what harms the other.
    expect(told.length).toBeLessThan(64 * 1024)
    expect(listHealthy(translation)).toEqual(healthy)
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })
})

it('stock Envoy accepts what results from all cases together', async () => {
  const { resources } = await translateCases(cases)
  const bootstraps = buildStaticBootstraps(resources)
  expect(bootstraps.size).toBeGreaterThanOrEqual(3)
  const refusals = await validateWithEnvoy(bootstraps)
  // Envoy names one culprit at most; looking for the others is worth the time only then.
  expect(refusals.length === 0 ? [] : [...refusals, ...(await findCulprits(cases))]).toEqual([])
})

async function findCulprits(suspects: readonly BadCase[]) {
  const bootstraps: [string, object][] = []
  for (const badCase of suspects) {
    const { resources } = await translateCases([badCase])
    for (const [scope, bootstrap] of buildStaticBootstraps(resources))
      bootstraps.push([`${badCase.name} (${scope})`, bootstrap])
  }
  return validateWithEnvoy(bootstraps)
}

describe('on a running proxy', () => {
  const tenants = 49

  it('nothing is refused, healthy tenants are served all the time, and a new Envoy loads the same', async () => {
    const backend = await startEchoBackend({ service: 'healthy' })
    cleanups.push(() => backend.close())
    const files = buildFiles(cases, { tenants, backend })
    const harmless = Object.entries(files).filter(([name]) => name === 'gateways' || name.startsWith('healthy'))
    const fixture = await StandaloneFixture.start(Object.fromEntries(harmless))
    cleanups.push(() => fixture.stop())
    const http = `${sharedGateway.namespace}/${sharedGateway.name}/http`
    await expectHealthy(fixture, http)

    const load = new Load({ url: fixture.url(http), host: healthyHost, keepAliveClients: 4, newConnectionClients: 4 })
    cleanups.push(() => load.stop())
    for (const [name, content] of Object.entries(files)) if (!name.startsWith('healthy')) fixture.apply(name, content)
    await untilTold(fixture)
    await expectHealthy(fixture, http)
    await fixture.eventually(() => expectFormatsAsWritten(fixture, http))
    await askEverybody(fixture, http)
    const { failures, statuses, requests } = await load.stop()
    expect(failures, JSON.stringify(statuses)).toEqual([])
    expect(Object.keys(statuses)).toEqual(['200'])
    expect(requests).toBeGreaterThan(100)
    expect(await listRejections(fixture)).toEqual([])
    expect(fixture.log).not.toMatch(/Envoy ended|refused a resource/)

    const killed = killEnvoys()
    expect(killed).toBeGreaterThanOrEqual(fixture.view().gateways.filter((g) => g.programmed).length)
    await fixture.eventually(() => expectHealthy(fixture, http))
    await fixture.programmed()
    await fixture.eventually(() => expectFormatsAsWritten(fixture, http))
    expect(await listRejections(fixture)).toEqual([])
    expect(fixture.log).not.toContain('refused a resource')
  })

  /** Every tenant by HTTP, and one by HTTPS beside all the bad certificates. */
  async function expectHealthy(fixture: StandaloneFixture, http: string): Promise<void> {
    const answers = await repeat(tenants, (tenant) => fixture.get(http, '/', { host: healthyHostOf(tenant) }))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    const https = http.replace(/http$/, 'https')
    const secure = await fixture.get(https, '/', { host: healthyHost, ca: healthyAuthority })
    expect(secure.status).toBe(200)
  }

  /** What has been loaded may still end Envoy when it is used. */
  async function askEverybody(fixture: StandaloneFixture, http: string): Promise<void> {
    const answers = await repeat(cases.length, async (index) => {
      const { name } = cases[index] as BadCase
      return (await fixture.get(http, '/a/b?c=d', { host: `${name}.example.com`, headers: { 'x-a': 'b' } })).status
    })
    for (const status of answers) expect([200, 301, 302, 308, 404, 500, 503, 504]).toContain(status)
  }

  /** The last cases have been read, and what they become has arrived. */
  async function untilTold(fixture: StandaloneFixture): Promise<void> {
    await fixture.eventually(() => {
      const said = fixture.fileProblems.join('\n')
      const known = new Set(fixture.view().statuses.map(({ namespace }) => namespace))
      for (const { name, endsIn, manifest } of cases) {
        if (endsIn === 'text' || endsIn === 'schema') expect(said).toContain(name)
        else if (/"HTTPRoute".*"name": "edge"/s.test(String(manifest))) expect(known).toContain(name)
      }
    })
    await fixture.programmed()
  }

  /** Nobody but the tenant himself says what is in his headers. */
  async function expectFormatsAsWritten(fixture: StandaloneFixture, http: string): Promise<void> {
    for (const [name, , value] of formats) {
      const answer = await fixture.get(http, '/', { host: `${name}.example.com` })
      expect(answer.status, name).toBe(200)
      expect(answer.echo.headers['X-A'], name).toEqual([value])
    }
  }
})

/** Counters of refused updates that are not zero, and NACKs that the control plane has seen. */
async function listRejections(fixture: StandaloneFixture): Promise<string[]> {
  const found: string[] = []
  for (const { name, adminUrl } of fixture.view().gateways) {
    if (adminUrl === undefined) continue
    const stats = await (await fetch(`${adminUrl}/stats?filter=update_rejected`)).text()
    const lines = stats.split('\n').filter((line) => line !== '')
    expect(lines.length).toBeGreaterThanOrEqual(2)
    found.push(...lines.filter((line) => !line.endsWith(': 0')).map((line) => `${name} ${line}`))
  }
  const refused = JSON.stringify(fixture.view().statuses).match(/Envoy refused[^"]*/g) ?? []
  return [...found, ...refused]
}

/** Kills every Envoy that this process has started for a Gateway. @returns how many */
function killEnvoys(): number {
  let killed = 0
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const parent = /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${entry}/status`, 'utf8'))?.[1]
      if (Number(parent) !== process.pid) continue
      if (!readFileSync(`/proc/${entry}/cmdline`, 'utf8').includes('--admin-address-path')) continue
      process.kill(Number(entry), 'SIGKILL')
      killed += 1
    } catch {
      // It has ended by itself.
    }
  }
  return killed
}
