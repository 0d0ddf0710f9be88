/**
 * `make quickstart`: two echo backends, a certificate, and `gatewright run -f examples/quickstart`.
 * Waits until the Gateway is Programmed, sends a first request, and stays until Ctrl-C;
 * with ONCE=1 it ends after the first answer, with status 0 or 1.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { RunningGateway } from '../src/cli/run.ts'
import { issueCertificate } from '../src/testing/certificates.ts'
import { type EchoBackend, startEchoBackend } from '../src/testing/echo-backend.ts'

const project = fileURLToPath(new URL('../', import.meta.url))
const once = process.env['ONCE'] === '1'
const hostname = 'www.example.com'
const patience = 20_000

/** A private key must not be in a repository, so each start makes its own. */
function makeCertificate(directory: string): void {
  const { certificate, privateKey } = issueCertificate({
    commonName: hostname,
    dnsNames: [hostname],
    isAuthority: true,
  })
  const stringData = { 'tls.crt': certificate, 'tls.key': privateKey }
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'example-cert' },
    type: 'kubernetes.io/tls',
    stringData,
  }
  writeFileSync(join(directory, 'tls.crt'), certificate)
  writeFileSync(join(directory, 'secret.json'), JSON.stringify(secret), { mode: 0o600 })
}

interface Ready {
  readonly gateways: readonly RunningGateway[]
}

async function waitUntilProgrammed(readyFile: string, gatewright: ChildProcess): Promise<RunningGateway> {
  const deadline = performance.now() + patience
  while (performance.now() < deadline) {
    if (gatewright.exitCode !== null) throw new Error(`gatewright ended with status ${gatewright.exitCode}`)
    const gateway = existsSync(readyFile) ? readReady(readyFile)?.gateways.find((g) => g.name === 'web') : undefined
    if (gateway?.programmed) return gateway
    await sleep(20)
  }
  throw new Error(`the Gateway was not Programmed within ${patience / 1000} s: see the messages above`)
}

function readReady(path: string): Ready | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Ready
  } catch {
    // It is being written.
    return undefined
  }
}

function urlOf(gateway: RunningGateway, listener: string): URL {
  const url = gateway.listeners.find((l) => l.name === listener)?.url
  if (url === undefined) throw new Error(`listener ${listener} has no URL: see the table above`)
  return new URL(url)
}

/** Sends a request to the address of a listener under a hostname that DNS does not know. */
async function askHttp(base: URL): Promise<string> {
  const http = await import('node:http')
  return new Promise((resolve, reject) => {
    http.get(new URL('/hello', base), { headers: { host: hostname } }, collect(resolve, reject)).on('error', reject)
  })
}

function askHttps(base: URL, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { servername: hostname, ca, headers: { host: hostname } }
    request(new URL('/hello', base), options, collect(resolve, reject)).on('error', reject).end()
  })
}

function collect(resolve: (text: string) => void, reject: (error: Error) => void) {
  return (response: import('node:http').IncomingMessage) => {
    let body = ''
    response.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    response.on('end', () => {
      if (response.statusCode === 200) resolve(body)
      else reject(new Error(`the first request was answered with ${response.statusCode}: ${body}`))
    })
  }
}

async function main(): Promise<number> {
  const started = performance.now()
  const directory = mkdtempSync(join(tmpdir(), 'gatewright-quickstart-'))
  const backends: EchoBackend[] = []
  let gatewright: ChildProcess | undefined
  const ended = new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve())
    process.once('SIGTERM', () => resolve())
    // The terminal was closed. The child is in a group of its own and would go on.
    process.once('SIGHUP', () => resolve())
  })
  try {
    backends.push(
      await startEchoBackend({ service: 'blue', port: 9101 }),
      await startEchoBackend({ service: 'green', port: 9102 }),
    )
    makeCertificate(directory)
    const readyFile = join(directory, 'ready.json')
    const args = ['run', '-f', 'examples/quickstart', '-f', join(directory, 'secret.json'), '--ready-file', readyFile]
    gatewright = spawn(process.execPath, ['--disable-proto=delete', 'dist/main.js', ...args], {
      cwd: project,
      stdio: 'inherit',
      // Ctrl-C is for this script, which then ends its child in its own time.
      detached: true,
    })
    const child = gatewright
    const gateway = await waitUntilProgrammed(readyFile, child)
    const http = urlOf(gateway, 'http')
    const https = urlOf(gateway, 'https')
    const answer = await askHttp(http)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    const secure = JSON.parse(await askHttps(https, readFileSync(join(directory, 'tls.crt'), 'utf8'))) as {
      service: string
    }
    console.log(`\nThe first answer came after ${seconds} s:\n${answer}`)
    console.log(`The same over HTTPS was answered by "${secure.service}".\n`)
    console.log('Try it yourself:')
    console.log(`  curl -i -H 'Host: ${hostname}' ${http}hello`)
    console.log(
      `  curl -i --resolve ${hostname}:${https.port}:${https.hostname} --cacert ${join(directory, 'tls.crt')} https://${hostname}:${https.port}/hello`,
    )
    if (once) return 0
    console.log('\nEdit examples/quickstart/routes.yaml and ask again. Ctrl-C ends everything.')
    const died = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
    return await Promise.race([ended.then(() => 0), died])
  } catch (error) {
    console.error(`quickstart: ${error instanceof Error ? error.message : String(error)}`)
    return 1
  } finally {
    await end(gatewright)
    for (const backend of backends) await backend.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await exited
}

process.exitCode = await main()
