/**
 * Plays the Go client in this folder against the xDS server: `make foreign-client`. The client asks for
 * changes on its standard output; what it says of each scenario is printed, and it ends with the verdict.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { listGoldens } from '../../src/testing/golden-runner.ts'
import { loadGolden } from '../../src/testing/golden-translation.ts'
import { envoyCluster, envoyEndpoints, envoyListener, envoyTable } from '../../src/testing/xds-envoy.ts'
import { XdsServerBed } from '../../src/testing/xds-server.ts'
import { ackKey } from '../../src/xds/acks.ts'
import { createTokenAuthenticator } from '../../src/xds/authenticator.ts'
import { type EnvoyResource, typeUrls } from '../../src/xds/resource.ts'

const folder = fileURLToPath(new URL('.', import.meta.url))
const binary = fileURLToPath(new URL('../.out/foreign-client', import.meta.url))

function build(): void {
  mkdirSync(fileURLToPath(new URL('../.out/', import.meta.url)), { recursive: true })
  const { error, status } = spawnSync('go', ['build', '-o', binary, '.'], { cwd: folder, stdio: 'inherit' })
  if (error !== undefined) {
    console.error(`The foreign client is written in Go, and "go" cannot be run (${error.message}): install Go 1.26`)
    process.exit(1)
  }
  if (status !== 0) {
    console.error('The foreign client cannot be built; its modules come from the Go module proxy the first time')
    process.exit(1)
  }
}

/** Everything that the golden cases lead to, each Gateway in a scope of its own. */
async function listTranslations(): Promise<EnvoyResource[][]> {
  const scopes: EnvoyResource[][] = []
  for (const { input } of listGoldens(fileURLToPath(new URL('../../src/testing/goldens/', import.meta.url)))) {
    const { resources } = await loadGolden(input)
    const byGateway = new Map<string, EnvoyResource[]>()
    for (const collection of Object.values(resources)) {
      for (const [, resource] of collection.entries()) {
        byGateway.set(resource.scope, [...(byGateway.get(resource.scope) ?? []), resource])
      }
    }
    for (const members of byGateway.values()) {
      const scope = `translation-${scopes.length}`
      scopes.push(
        members.map(({ typeUrl, name, version, bytes, sources, secrets }) => ({
          ...{ typeUrl, scope, name, version, bytes, sources },
          ...(secrets !== undefined && { secrets }),
        })),
      )
    }
  }
  return scopes
}

build()
const translations = await listTranslations()
const tokens = new Map([
  ['a', 'token-a'],
  ...translations.map((_, i) => [`translation-${i}`, `translation-${i}`] as const),
])
const bed = await XdsServerBed.start({
  authenticator: createTokenAuthenticator(() => tokens),
  linger: 0,
  drainTime: 0,
})
bed.put(...translations.flat())

/** What the client may ask for; each leads to bytes that were never served before. */
let turn = 1
const third = [envoyCluster('three'), envoyEndpoints('three', [3])]
const changes: Readonly<Record<string, () => void>> = {
  reset: () => {
    bed.change(
      [
        ...['one', 'two'].flatMap((name) => [envoyCluster(name, ++turn), envoyEndpoints(name, [++turn])]),
        envoyListener('l', 8080, 't'),
        envoyTable('t', [{ prefix: `/${turn}`, cluster: 'one' }]),
      ],
      [
        ['cluster', 'three'],
        ['endpoint', 'three'],
      ],
    )
  },
  endpoints: () => bed.put(envoyEndpoints('two', [++turn])),
  'endpoints again': () => bed.put(envoyEndpoints('two', [++turn])),
  cluster: () => bed.put(envoyCluster('one', ++turn)),
  'cluster again': () => bed.put(envoyCluster('one', ++turn)),
  third: () => bed.put(...third),
  'no third': () => {
    bed.change(
      [],
      [
        ['cluster', 'three'],
        ['endpoint', 'three'],
      ],
    )
  },
}

/** @returns what is wrong, if something is, after a while */
async function expectRefusal(message: string | undefined): Promise<string | undefined> {
  const rejected = () => bed.server.acks.get(ackKey(typeUrls.cluster, 'a', 'one'))?.rejected?.message
  for (let i = 0; i < 100 && rejected() !== message; i++) await new Promise((resolve) => setTimeout(resolve, 20))
  return rejected() === message ? undefined : `the refusal of cluster one is "${rejected()}" instead of "${message}"`
}

let passed = 0
let failed = 0
function count(isGood: boolean, line: string): void {
  if (isGood) passed++
  else failed++
  console.log(line)
}

/** Does what the client asks for, and tells it that it is done. */
async function serve(change: string): Promise<void> {
  const expected = /^expect (?:no refusal of one|refusal of one: (.*))$/.exec(change)
  if (expected !== null) {
    const problem = await expectRefusal(expected[1])
    if (problem !== undefined) count(false, `not ok ${problem}`)
  } else if (changes[change] === undefined) count(false, `not ok the client asks for "${change}"`)
  else {
    changes[change]()
    // What is gone stays for those who may use it until the linger, which is nothing here, is over.
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  client.stdin.write('\n')
}

const client = spawn(binary, ['-address', bed.address, '-translations', String(translations.length)], {
  stdio: ['pipe', 'pipe', 'inherit'],
})
const ended = new Promise<number | null>((resolve) => client.on('exit', resolve))
for await (const line of createInterface({ input: client.stdout })) {
  if (line.startsWith('#')) console.log(line)
  else if (!line.startsWith('change ')) count(line.startsWith('ok '), line)
  else await serve(line.slice('change '.length))
}
const code = await ended
await bed.stop()
console.log(`\nForeign client, ${translations.length} translated Gateways: ${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && code === 0 && passed > 0 ? 0 : 1
