import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import type { RunningGateway } from './cli/run.ts'
import { issueCertificate } from './testing/certificates.ts'
import { startEchoBackend } from './testing/echo-backend.ts'
import { StandaloneFixture } from './testing/standalone-fixture.ts'

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const gatewayClass = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: gatewright }
spec: { controllerName: gatewright.dev/gateway-controller }
---
`
const gateway = (listeners: string, name = 'web') => `${gatewayClass}
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: ${name} }
spec:
  gatewayClassName: gatewright
  listeners: [${listeners}]
---
`
const httpListener = '{ name: http, protocol: HTTP, port: 8080 }'
const route = (
  rule = '{ backendRefs: [{ group: gateway.envoyproxy.io, kind: Backend, name: echo }] }',
  name = 'everything',
) => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name} }
spec:
  parentRefs: [{ name: web }]
  rules: [${rule}]
---
`

async function startBackend() {
  const backend = await startEchoBackend({ service: 'echo' })
  cleanups.push(() => backend.close())
  const yaml = `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: { name: echo }
spec: { endpoints: [{ ip: { address: ${backend.address}, port: ${backend.port} } }] }
---
`
  return { backend, yaml }
}

async function start(manifests: Readonly<Record<string, string>>): Promise<StandaloneFixture> {
  const fixture = await StandaloneFixture.start(manifests)
  cleanups.push(() => fixture.stop())
  return fixture
}

describe('while it serves', () => {
  it('keeps the last good objects of a file with a YAML error, names file and line, and takes the mended file', async () => {
    const { yaml } = await startBackend()
    const fixture = await start({ fixed: gateway(httpListener) + yaml, route: route() })
    fixture.apply('route', `${route()}\nspec: [unclosed\n`)
    await fixture.eventually(() => expect(fixture.fileProblems.join('\n')).toMatch(/route\.yaml:\d+:\d+: error: /))
    expect((await fixture.get('default/web/http', '/')).status).toBe(200)
    fixture.apply('route', route('{ matches: [{ path: { value: /only } }] }'))
    await fixture.eventually(async () => expect((await fixture.get('default/web/http', '/')).status).toBe(404))
  })

  it('keeps the last good version of an object that breaks the schema, and names the field', async () => {
    const { yaml } = await startBackend()
    const fixture = await start({ fixed: gateway(httpListener) + yaml, route: route() })
    fixture.apply('route', route('{ matches: [{ path: { type: Wrong, value: / } }] }'))
    await fixture.eventually(() =>
      expect(fixture.fileProblems.join('\n')).toMatch(
        /route\.yaml:\d+:\d+: error: HTTPRoute .*spec\.rules\[0\]\.matches\[0\]\.path\.type/,
      ),
    )
    expect((await fixture.get('default/web/http', '/')).status).toBe(200)
  })

  it('reports a kind that it does not know and an object that is there twice, and stops nothing else', async () => {
    const { yaml } = await startBackend()
    const fixture = await start({
      fixed: gateway(httpListener) + yaml,
      'route-1': route(),
      'route-2': route('{ matches: [{ path: { value: /never } }] }'),
      strange: 'apiVersion: example.com/v1\nkind: Teapot\nmetadata: { name: short-and-stout }\n',
    })
    expect(fixture.fileProblems.join('\n')).toMatch(/strange\.yaml:.*warning: .*Teapot/)
    expect(fixture.fileProblems.join('\n')).toMatch(/route-2\.yaml:.*route-1\.yaml/)
    expect((await fixture.get('default/web/http', '/')).status).toBe(200)
  })

  it('serves the HTTP listener while the certificate of the HTTPS listener is missing, then mismatched, and both when it is right', async () => {
    const { yaml } = await startBackend()
    const https =
      '{ name: https, protocol: HTTPS, port: 8443, hostname: www.example.com, tls: { certificateRefs: [{ name: cert }] } }'
    const fixture = await start({ fixed: gateway(`${httpListener}, ${https}`) + yaml, route: route() })
    const resolved = () =>
      fixture
        .conditions('Gateway', 'default', 'web')
        .find((c) => c.about === 'listener https' && c.type === 'ResolvedRefs')
    expect(resolved()).toMatchObject({ status: 'False', reason: 'InvalidCertificateRef' })
    expect(resolved()?.message).toContain('Secret "cert" not found')
    expect((await fixture.get('default/web/http', '/')).status).toBe(200)

    const good = issueCertificate({ dnsNames: ['www.example.com'], isAuthority: true })
    const other = issueCertificate({})
    const secret = (certificate: string, privateKey: string) =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'cert' },
        type: 'kubernetes.io/tls',
        stringData: { 'tls.crt': certificate, 'tls.key': privateKey },
      })
    fixture.apply('secret', secret(good.certificate, other.privateKey))
    await fixture.eventually(() => expect(resolved()?.message).toContain('does not match the private key'))
    expect((await fixture.get('default/web/http', '/')).status).toBe(200)

    fixture.apply('secret', secret(good.certificate, good.privateKey))
    await fixture.eventually(async () => {
      const answer = await fixture.get('default/web/https', '/', { host: 'www.example.com', ca: good.certificate })
      expect(answer.status).toBe(200)
    })
    expect(resolved()?.status).toBe('True')
    expect(JSON.stringify(fixture.view()) + fixture.log).not.toContain('PRIVATE KEY')
  })

  it('leaves out a match whose regular expression RE2 refuses, says so, and serves the others', async () => {
    const { yaml } = await startBackend()
    const backendRefs = 'backendRefs: [{ group: gateway.envoyproxy.io, kind: Backend, name: echo }]'
    const fixture = await start({
      fixed: gateway(httpListener) + yaml,
      route: route(
        `{ matches: [{ path: { type: RegularExpression, value: "/(?=x)" } }, { path: { value: /fine } }], ${backendRefs} }`,
      ),
    })
    expect((await fixture.get('default/web/http', '/fine')).status).toBe(200)
    expect((await fixture.get('default/web/http', '/x')).status).toBe(404)
    const conditions = fixture.conditions('HTTPRoute', 'default', 'everything')
    expect(conditions.find((c) => c.type === 'PartiallyInvalid')).toMatchObject({
      status: 'True',
      reason: 'UnsupportedValue',
    })
  })

  it('tells which port another process holds, serves the other listeners, and takes the port when it is free', async () => {
    const { yaml } = await startBackend()
    const holder = createServer()
    holder.listen(18099, '0.0.0.0')
    await once(holder, 'listening')
    cleanups.push(() => holder.close())
    const fixture = await start({
      fixed: gateway(`${httpListener}, { name: taken, protocol: HTTP, port: 18099 }`) + yaml,
      route: route(),
    })
    const accepted = () =>
      fixture.conditions('Gateway', 'default', 'web').find((c) => c.about === 'listener taken' && c.type === 'Accepted')
    expect(accepted()).toMatchObject({ status: 'False', reason: 'PortUnavailable' })
    expect(accepted()?.message).toContain('port 18099')
    expect((await fixture.get('default/web/http', '/')).status).toBe(200)
    holder.close()
    await fixture.eventually(async () => expect((await fixture.get('default/web/taken', '/')).status).toBe(200))
  })

  it('gives two Gateways with the same port an address each', async () => {
    const { yaml } = await startBackend()
    const fixture = await start({
      fixed: gateway(httpListener) + gateway(httpListener, 'shop').replace(gatewayClass, '') + yaml,
      route: route(),
    })
    expect(fixture.url('default/web/http')).not.toBe(fixture.url('default/shop/http'))
    expect((await fixture.get('default/web/http', '/')).status).toBe(200)
    expect((await fixture.get('default/shop/http', '/')).status).toBe(404)
  })
})

const main = fileURLToPath(new URL('main.ts', import.meta.url))
// What the product must run with: no code is made from text, and no object can be given another prototype.
const hardened = ['--disable-proto=delete', '--disallow-code-generation-from-strings']

function runCli(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [...hardened, main, ...args], { env: { ...process.env, ...environment } })
  const output = { text: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.text += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.text += text
  })
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  cleanups.push(() => child.kill('SIGKILL'))
  return { child, output, exited }
}

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'gatewright-bad-input-'))
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

describe('the command', () => {
  it('says how to get an Envoy when there is none', async () => {
    const { output, exited } = runCli(['run', '-f', temporaryDirectory(), '--envoy', '/nowhere/envoy'])
    expect(await exited).toBe(1)
    expect(output.text).toContain('make deps')
    expect(output.text).toContain('/nowhere/envoy')
  })

  it('refuses an Envoy of a version that is not supported', async () => {
    const envoy = join(temporaryDirectory(), 'envoy')
    writeFileSync(envoy, '#!/bin/sh\necho "envoy  version: 0123abcd/1.30.1/Clean/RELEASE/BoringSSL"\n')
    chmodSync(envoy, 0o755)
    const { output, exited } = runCli(['run', '-f', temporaryDirectory()], { GATEWRIGHT_ENVOY: envoy })
    expect(await exited).toBe(1)
    expect(output.text).toMatch(/1\.30\.1.*not supported.*1\.38 to 1\.40/)
  })

  it('ends with status 2 and a hint when the command line is wrong', async () => {
    const { output, exited } = runCli(['run', '--colour'])
    expect(await exited).toBe(2)
    expect(output.text).toContain('--help')
  })

  it('lets a request in flight finish when it gets SIGTERM, and then ends with status 0 and without its Envoy', async () => {
    const { yaml } = await startBackend()
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'all.yaml'), gateway('{ name: http, protocol: HTTP, port: 18097 }') + yaml + route())
    const ready = join(temporaryDirectory(), 'ready.json')
    const { child, exited } = runCli(['run', '-f', directory, '--ready-file', ready, '--concurrency', '1', '--strict'])
    const gatewayNow = await untilProgrammed(ready)
    const answer = new Promise<number>((resolve, reject) => {
      get(`${gatewayNow.listeners[0]?.url}?delay=1500`, (response) => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0))
      }).on('error', reject)
    })
    await sleep(300)
    child.kill('SIGTERM')
    expect(await answer).toBe(200)
    expect(await exited).toBe(0)
    await expect(fetch(`${gatewayNow.adminUrl}/ready`)).rejects.toThrow()
  })
})

async function untilProgrammed(readyFile: string): Promise<RunningGateway> {
  const deadline = performance.now() + 15_000
  while (performance.now() < deadline) {
    try {
      const [found] = (
        JSON.parse(existsSync(readyFile) ? readFileSync(readyFile, 'utf8') : '{"gateways":[]}') as {
          gateways: RunningGateway[]
        }
      ).gateways
      if (found?.programmed) return found
    } catch {
      // It is being written.
    }
    await sleep(50)
  }
  throw new Error('the Gateway was not Programmed in time')
}
