import { chmodSync, mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type IssuedCertificate, issueCertificate } from '../../testing/certificates.ts'
import { FakeClock } from '../../testing/xds-clock.ts'
import { createPodAccess } from './api-access.ts'
import { HttpApiClient } from './http-api-client.ts'
import { findApiAccess, KubeConfigAccess } from './kube-config-access.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'api-access-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

function write(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

/** A kubeconfig with one cluster, one user and one context. */
function kubeConfig(cluster: object, user: object, name = 'main'): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    contexts: [{ name, context: { cluster: name, user: name } }],
    clusters: [{ name, cluster: { server: 'https://api.test:6443', ...cluster } }],
    users: [{ name, user }],
  })
}

const base64 = (text: string) => Buffer.from(text).toString('base64')

describe('The service account of a pod', () => {
  test('is read again after ten seconds, and at once when it was refused', async () => {
    write('token', 'one\n')
    write('ca.crt', 'CA')
    const clock = new FakeClock()
    const access = createPodAccess('fd00::1', '443', directory, clock)
    expect(await access.current()).toEqual({
      server: 'https://[fd00::1]:443',
      headers: { authorization: 'Bearer one' },
      tls: { ca: 'CA' },
    })
    write('token', 'two')
    expect((await access.current()).headers).toEqual({ authorization: 'Bearer one' })
    clock.advance(10_000)
    expect((await access.current()).headers).toEqual({ authorization: 'Bearer two' })
    write('token', 'three')
    access.invalidate()
    expect((await access.current()).headers).toEqual({ authorization: 'Bearer three' })
  })

  test('stays in use while its file is away', async () => {
    write('token', 'one')
    write('ca.crt', 'CA')
    const access = createPodAccess('10.0.0.1', '443', directory)
    await access.current()
    unlinkSync(join(directory, 'token'))
    access.invalidate()
    expect((await access.current()).headers).toEqual({ authorization: 'Bearer one' })
  })

  test('that cannot be read at all is an error of the network', async () => {
    const access = createPodAccess('10.0.0.1', '443', directory)
    await expect(access.current()).rejects.toMatchObject({
      code: 'network',
      message: expect.stringContaining('ENOENT'),
    })
  })
})

describe('A kubeconfig', () => {
  test('holds its credential, or names files beside it', async () => {
    write('ca.pem', 'CA')
    write('token.txt', 'from-file\n')
    const inline = write(
      'inline',
      kubeConfig(
        { 'certificate-authority-data': base64('CA'), 'tls-server-name': 'kubernetes' },
        { 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') },
      ),
    )
    expect(await new KubeConfigAccess([inline]).current()).toEqual({
      server: 'https://api.test:6443',
      headers: {},
      tls: { ca: 'CA', cert: 'CERT', key: 'KEY', serverName: 'kubernetes', insecure: false },
    })
    const named = write(
      'named',
      kubeConfig({ 'certificate-authority': 'ca.pem' }, { tokenFile: 'token.txt', as: 'ann' }),
    )
    expect(await new KubeConfigAccess([named]).current()).toMatchObject({
      headers: { authorization: 'Bearer from-file', 'impersonate-user': 'ann' },
      tls: { ca: 'CA' },
    })
    const basic = write('basic', kubeConfig({}, { username: 'ann', password: 'pw' }))
    expect((await new KubeConfigAccess([basic]).current()).headers).toEqual({
      authorization: `Basic ${base64('ann:pw')}`,
    })
  })

  test('is merged with others, and the first one counts', async () => {
    const first = write('first', JSON.stringify({ users: [{ name: 'main', user: { token: 'first' } }] }))
    const second = write('second', kubeConfig({}, { token: 'second' }))
    expect((await new KubeConfigAccess([first, second]).current()).headers).toEqual({ authorization: 'Bearer first' })
  })

  test('is read again when it changes, and a half-written one changes nothing', async () => {
    const clock = new FakeClock()
    const path = write('config', kubeConfig({}, { token: 'one' }))
    const access = new KubeConfigAccess([path], clock)
    await access.current()
    write('config', kubeConfig({}, { token: 'two' }).slice(0, 50))
    clock.advance(10_000)
    expect((await access.current()).headers).toEqual({ authorization: 'Bearer one' })
    write('config', kubeConfig({}, { token: 'two' }))
    clock.advance(10_000)
    expect((await access.current()).headers).toEqual({ authorization: 'Bearer two' })
  })

  test('may name a program, which is asked by the client library', async () => {
    const credential = {
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      status: { token: 'ran' },
    }
    const program = write('login', `#!/bin/sh\necho '${JSON.stringify(credential)}'\n`)
    chmodSync(program, 0o755)
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: program, interactiveMode: 'Never' }
    const path = write('config', kubeConfig({ 'certificate-authority-data': base64('CA') }, { exec }))
    expect(await new KubeConfigAccess([path]).current()).toMatchObject({
      headers: { Authorization: 'Bearer ran' },
      tls: { ca: 'CA' },
    })
  })

  test('with a program that fails is an error of the network that shows nothing the program said', async () => {
    const program = write('login', '#!/bin/sh\necho s3cret >&2\nexit 1\n')
    chmodSync(program, 0o755)
    const path = write('config', kubeConfig({}, { exec: { command: program } }))
    const error = await new KubeConfigAccess([path]).current().catch((reason: Error) => reason)
    expect(error).toMatchObject({ code: 'network', message: expect.not.stringContaining('s3cret') })
  })

  test.each([
    ['{ no yaml', 'is not valid YAML'],
    ['text', 'is not a kubeconfig'],
    ['{}', 'current-context is missing'],
    ['{"current-context": "x", "contexts": 1}', 'contexts has no "x"'],
    [kubeConfig({ server: 'ftp://x' }, {}), 'the server of cluster "main" is not a URL'],
  ])('%# that is wrong is told with its file and its field', async (text, message) => {
    const path = write('config', text)
    await expect(new KubeConfigAccess([path]).current()).rejects.toThrow(`${path}: ${message}`)
  })
})

describe('Access is found', () => {
  test('in the pod before in a kubeconfig, unless one is given', async () => {
    write('token', 'pod')
    write('ca.crt', 'CA')
    const given = write('given', kubeConfig({}, { token: 'given' }))
    mkdirSync(join(directory, '.kube'))
    write('.kube/config', kubeConfig({}, { token: 'home' }))
    const listed = write('listed', kubeConfig({}, { token: 'listed' }))
    const pod = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '443' }
    const environment = { HOME: directory, KUBECONFIG: `${directory}/absent:${listed}`, ...pod }
    const authorization = async (options: Parameters<typeof findApiAccess>[0]) =>
      (await findApiAccess({ serviceAccountDirectory: directory, ...options }).current()).headers['authorization']
    expect(await authorization({ kubeconfig: given, environment })).toBe('Bearer given')
    expect(await authorization({ environment })).toBe('Bearer pod')
    expect(await authorization({ environment: { ...environment, KUBERNETES_SERVICE_HOST: '' } })).toBe('Bearer listed')
    expect(await authorization({ environment: { HOME: directory } })).toBe('Bearer home')
    expect(() => findApiAccess({ environment: { HOME: `${directory}/nobody` } })).toThrow('Use --kubeconfig')
  })
})

describe('Over TLS', () => {
  const authority = issueCertificate({ commonName: 'ca', isAuthority: true })
  let server: Server

  function serve(certificate: IssuedCertificate): Promise<string> {
    const { privateKey: key, certificate: cert } = certificate
    const options = { key, cert, ca: authority.certificate, requestCert: true, rejectUnauthorized: false }
    server = createServer(options, (request, response) => {
      const { authorized } = request.socket as TLSSocket
      response.end(JSON.stringify({ authorized, authorization: request.headers.authorization ?? '' }))
    })
    return new Promise((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve(`https://127.0.0.1:${(server.address() as AddressInfo).port}`)),
    )
  }

  async function ask(cluster: object, user: object): Promise<unknown> {
    const access = new KubeConfigAccess([write('config', kubeConfig(cluster, user))])
    const client = new HttpApiClient({ access })
    return client.call({ method: 'GET', path: '/version' }).finally(() => client.close())
  }

  afterEach(() => new Promise((resolve) => server.close(resolve)))

  test('the server is known by its authority and its name, and we by our certificate', async () => {
    const url = await serve(issueCertificate({ commonName: 'api', dnsNames: ['kubernetes'], issuer: authority }))
    const mine = issueCertificate({ commonName: 'us', issuer: authority })
    const cluster = {
      server: url,
      'tls-server-name': 'kubernetes',
      'certificate-authority-data': base64(authority.certificate),
    }
    const user = {
      'client-certificate-data': base64(mine.certificate),
      'client-key-data': base64(mine.privateKey),
      token: 't',
    }
    expect(await ask(cluster, user)).toEqual({ authorized: true, authorization: 'Bearer t' })
    await expect(ask({ ...cluster, 'tls-server-name': 'other' }, user)).rejects.toMatchObject({ code: 'network' })
    await expect(ask({ server: url, 'tls-server-name': 'kubernetes' }, user)).rejects.toMatchObject({ code: 'network' })
    expect(await ask({ server: url, 'insecure-skip-tls-verify': true }, user)).toMatchObject({ authorized: true })
  })
})
