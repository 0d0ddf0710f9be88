import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { LogFields, Logger } from '../../base/logger.ts'
import { FakeClock } from '../../testing/xds-clock.ts'
import { LocalEnvoy } from './local-envoy.ts'

/** What was logged, as "level message". */
class Log implements Logger {
  readonly lines: string[] = []
  readonly fields: LogFields[] = []
  #add(level: string, message: string, fields: LogFields = {}): void {
    this.lines.push(`${level} ${message}`)
    this.fields.push(fields)
  }
  debug = (message: string, fields?: LogFields) => this.#add('debug', message, fields)
  info = (message: string, fields?: LogFields) => this.#add('info', message, fields)
  warn = (message: string, fields?: LogFields) => this.#add('warn', message, fields)
  error = (message: string, fields?: LogFields) => this.#add('error', message, fields)
}

let directory = ''
let started: LocalEnvoy[] = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gatewright-test-'))
})
afterEach(async () => {
  for (const envoy of started) await envoy.stop()
  started = []
  await rm(directory, { recursive: true, force: true })
})

/** A program that behaves as Envoy could: it gets Envoy's arguments. */
async function makeEnvoy(script: string, log = new Log()) {
  const path = join(directory, 'envoy')
  await writeFile(path, `#!/bin/sh\n${script}\n`)
  await chmod(path, 0o755)
  const clock = new FakeClock()
  const envoy = new LocalEnvoy({
    binary: { path, version: '1.40.0' },
    nodeId: 'default/web',
    xds: { unixPath: join(directory, 'xds.sock'), token: 'secret-token' },
    concurrency: 3,
    logLevel: 'warn',
    strict: false,
    logger: log,
    clock,
  })
  started.push(envoy)
  return { envoy, clock, log }
}

const starts = async () => (await readFile(join(directory, 'starts'), 'utf8').catch(() => '')).length

describe('a local Envoy that dies', () => {
  it('is started again after a pause that doubles up to 5 s', async () => {
    const { envoy, clock, log } = await makeEnvoy(`printf x >> ${directory}/starts; exit 1`)
    await envoy.start()
    const pauses = [100, 200, 400, 800, 1600, 3200, 5000, 5000]
    for (const [index, pause] of pauses.entries()) {
      await expect.poll(() => log.lines.filter((l) => l.startsWith('error')).length, { interval: 5 }).toBe(index + 1)
      expect(log.fields.at(-1)).toMatchObject({ gateway: 'default/web', reason: 'status 1', afterMilliseconds: pause })
      clock.advance(pause - 1)
      expect(await starts()).toBe(index + 1)
      clock.advance(1)
      await expect.poll(starts, { interval: 5 }).toBe(index + 2)
    }
  })

  it('is started again after 100 ms when it had lived for more than 10 s', async () => {
    const { envoy, clock, log } = await makeEnvoy(`printf x >> ${directory}/starts
      echo 127.0.0.1:1 > "$4.new"; tr -d '\\n' < "$4.new" > "$4"
      while [ ! -e ${directory}/die ]; do sleep 0.02; done; rm ${directory}/die; exit 7`)
    const exits = () => log.fields.filter((f) => f['reason'] === 'status 7').map((f) => f['afterMilliseconds'])
    await envoy.start()
    await writeFile(join(directory, 'die'), '')
    await expect.poll(exits, { interval: 5 }).toEqual([100])
    clock.advance(100)
    await expect.poll(starts, { interval: 5 }).toBe(2)
    clock.advance(10_001)
    await writeFile(join(directory, 'die'), '')
    await expect.poll(exits, { interval: 5 }).toEqual([100, 100])
  })

  it('is not started again once it is stopped', async () => {
    const { envoy, clock, log } = await makeEnvoy(`printf x >> ${directory}/starts; exit 1`)
    await envoy.start()
    await expect.poll(() => log.lines.length, { interval: 5 }).toBe(1)
    await envoy.stop()
    clock.advance(60_000)
    expect(await starts()).toBe(1)
  })

  it('has its last words told with the reason', async () => {
    const { envoy, log } = await makeEnvoy(`printf 'critical|main|no room on the ship' >&2; kill -9 $$`)
    await envoy.start()
    await expect.poll(() => log.lines.length, { interval: 5 }).toBe(2)
    expect(log.lines).toEqual(['error Envoy: no room on the ship', 'error Envoy ended and is started again'])
    expect(log.fields[1]).toMatchObject({ reason: 'SIGKILL', lastLine: 'critical|main|no room on the ship' })
  })

  it('is told of when it cannot be run at all', async () => {
    const { envoy, log } = await makeEnvoy('exit 0')
    await rm(join(directory, 'envoy'))
    await envoy.start()
    await expect.poll(() => log.lines, { interval: 5 }).toContain('error Envoy ended and is started again')
    expect(log.fields.at(-1)?.['reason']).toBe('status 127')
  })
})

describe('how a local Envoy is started', () => {
  it('has the flags that the design asks for, and the credential in a file, not in an argument', async () => {
    const { envoy } = await makeEnvoy(`echo "$@" > ${directory}/arguments; cp "$2" ${directory}/bootstrap; exit 1`)
    await envoy.start()
    await envoy.stop()
    const text = await readFile(join(directory, 'arguments'), 'utf8')
    expect(text.replaceAll(/\/\S+\//g, '')).toBe(
      '--config-path bootstrap.json --admin-address-path admin-address --concurrency 3 --log-level warn --log-format %l|%n|%_ --drain-time-s 60 --disable-hot-restart --skip-deprecated-logs --ignore-unknown-dynamic-fields\n',
    )
    expect(await readFile(join(directory, 'bootstrap'), 'utf8')).toContain('secret-token')
  })

  it('relays each line at its own level, whole, and lowers what is ordinary', async () => {
    const { envoy, log } = await makeEnvoy(`
      printf 'warning|config|half a ' >&2; sleep 0.1; printf 'line\\ninfo|main|hello\\n' >&2
      echo 'warning|config|DeltaAggregatedResources gRPC config stream to xds closed since 1s ago: 14' >&2
      echo 'a stack trace' >&2; exit 3`)
    await envoy.start()
    await expect.poll(() => log.lines.length, { interval: 5 }).toBe(5)
    expect(log.lines.slice(0, 4)).toEqual([
      'warn Envoy: half a line',
      'info Envoy: hello',
      'debug Envoy: DeltaAggregatedResources gRPC config stream to xds closed since 1s ago: 14',
      'error Envoy: a stack trace',
    ])
  })
})
