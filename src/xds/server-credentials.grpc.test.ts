import { connect, type DetailedPeerCertificate, type SecureVersion } from 'node:tls'
import * as grpc from '@grpc/grpc-js'
import { afterEach, expect, test } from 'vitest'
import { type LogFields, silentLogger } from '../base/logger.ts'
import { type IssuedCertificate, issueCertificate } from '../testing/certificates.ts'
import { makeResource } from '../testing/xds-bed.ts'
import { XdsServerBed } from '../testing/xds-server.ts'
import { typeUrls } from './resource.ts'
import type { XdsTls, XdsTlsProvider } from './server-options.ts'

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

class Certificates implements XdsTlsProvider {
  tls: XdsTls
  readonly #listeners = new Set<() => void>()

  constructor(tls: XdsTls) {
    this.tls = tls
  }

  current(): XdsTls {
    return this.tls
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get listeners(): number {
    return this.#listeners.size
  }

  change(tls: XdsTls): void {
    this.tls = tls
    for (const listener of this.#listeners) listener()
  }
}

const createAuthority = () => issueCertificate({ commonName: 'ca', isAuthority: true })

function issueServer(issuer: IssuedCertificate, commonName: string): XdsTls {
  const { certificate, privateKey } = issueCertificate({ commonName, dnsNames: ['xds.test'], issuer })
  return { certificate, key: privateKey }
}

async function start(provider: XdsTlsProvider | XdsTls) {
  const logged: [string, LogFields | undefined][] = []
  const log = (message: string, fields?: LogFields) => void logged.push([message, fields])
  const bed = await XdsServerBed.start({ tls: provider, logger: { ...silentLogger, error: log } })
  cleanups.push(() => bed.stop())
  bed.put(makeResource('cluster', 'c'))
  /** A client that trusts one authority. */
  const open = (ca: IssuedCertificate) => {
    const credentials = grpc.credentials.createSsl(Buffer.from(ca.certificate))
    const stream = bed
      .client({ credentials, channelOptions: { 'grpc.ssl_target_name_override': 'xds.test' } })
      .open('delta')
    stream.send({ node: { id: 'n' }, type_url: typeUrls.cluster })
    return stream
  }
  return { bed, logged, open, port: Number(bed.address.split(':')[1]) }
}

/** What a handshake shows. */
function shake(port: number, maxVersion: SecureVersion = 'TLSv1.3'): Promise<DetailedPeerCertificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', ALPNProtocols: ['h2'], rejectUnauthorized: false, maxVersion })
    socket.once('secureConnect', () => {
      resolve(socket.getPeerCertificate(true))
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

test('A30: nothing older than TLS 1.3', async () => {
  const { port } = await start(issueServer(createAuthority(), 'one'))
  expect((await shake(port)).subject.CN).toBe('one')
  await expect(shake(port, 'TLSv1.2')).rejects.toThrow()
})

test('F20: a new certificate is used by the next handshake, and open streams go on', async () => {
  const [first, second] = [createAuthority(), createAuthority()]
  const provider = new Certificates(issueServer(first, 'one'))
  const { bed, open, port } = await start(provider)
  const early = open(first)
  await early.next()
  for (let i = 0; i < 20; i++) {
    provider.change(issueServer(i % 2 === 0 ? second : first, `certificate ${i}`))
    expect((await shake(port)).subject.CN).toBe(`certificate ${i}`)
    const late = open(i % 2 === 0 ? second : first)
    expect((await late.next()).resources).toHaveLength(1)
    bed.put(makeResource('cluster', 'c', `v${i}`))
    expect((await early.next()).resources).toHaveLength(1)
  }
  expect(early.status).toBeUndefined()
  const stale = open(second)
  expect((await stale.ended).code).toBe(grpc.status.UNAVAILABLE)
})

test('a certificate that cannot be used is told of without its key, and the old one stays', async () => {
  const ca = createAuthority()
  const provider = new Certificates(issueServer(ca, 'good'))
  const { logged, open, port } = await start(provider)
  const other = issueServer(ca, 'other')
  for (const bad of [
    { certificate: other.certificate, key: provider.tls.key },
    { certificate: 'not PEM', key: other.key },
    { certificate: other.certificate, key: '' },
  ]) {
    provider.change(bad)
    expect((await shake(port)).subject.CN).toBe('good')
  }
  expect((await open(ca).next()).resources).toHaveLength(1)
  expect(logged.map(([message]) => message)).toEqual(
    Array(3).fill('The new certificate of the xDS server cannot be used: the old one stays'),
  )
  expect(JSON.stringify(logged)).not.toContain(other.key.split('\n')[1])
  provider.change(other)
  expect((await shake(port)).subject.CN).toBe('other')
})

test('a server that has ended follows its certificates no longer', async () => {
  const provider = new Certificates(issueServer(createAuthority(), 'one'))
  const bed = await XdsServerBed.start({ tls: provider })
  expect(provider.listeners).toBe(1)
  await bed.stop()
  expect(provider.listeners).toBe(0)
})
