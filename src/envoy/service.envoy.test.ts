import { createHash } from 'node:crypto'
import { createServer as createHttp2Server, type Http2Server } from 'node:http2'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { gatewayClassYaml, gatewayYaml, httpRouteYaml } from '../testing/builders.ts'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { StaticEnvoy } from '../testing/static-envoy.ts'
import { startTwoProtocolServer, type TwoProtocolServer } from '../testing/two-protocol-server.ts'

/*
 * Services of every type and with every state of their endpoints, through stock Envoy.
 *
 * Features: HTTPRouteBackendProtocolH2C, HTTPRouteBackendProtocolWebSocket.
 */

const echos: EchoBackend[] = []
let h2c: Http2Server
let sockets: TwoProtocolServer
let envoy: StaticEnvoy
const manifests: (() => string)[] = []

/** @param ports and @param slices in flow YAML, made when the backends' ports are known */
function addService(name: string, spec: string, slices: () => readonly string[]): string {
  manifests.push(() =>
    [
      `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: ${spec}\n---\n`,
      ...slices().map(
        (slice, i) =>
          `apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: ${name}-${i}, labels: {kubernetes.io/service-name: ${name}}}\n${slice}\n---\n`,
      ),
      httpRouteYaml(
        name,
        `  parentRefs: [{name: web}]\n  rules: [{matches: [{path: {value: /${name}}}], backendRefs: [{name: ${name}, port: 8080}]}]`,
      ),
    ].join(''),
  )
  return `/${name}`
}
/** A slice of one port. @param endpoints in flow YAML @param backend whose port it is */
const slice = (endpoints: string, backend: number, { name = 'main', type = 'IPv4' } = {}) =>
  `addressType: ${type}\nendpoints: ${endpoints}\nports: [{name: ${name}, port: ${echos[backend]?.port}}]`
const here = '[{addresses: [127.0.0.1]}]'
const onlyPort = '[{name: main, port: 8080, targetPort: 3000}]'

beforeAll(async () => {
  for (const service of ['one', 'two']) echos.push(await startEchoBackend({ service }))
  h2c = createHttp2Server((request, response) => {
    request.resume()
    response.end(JSON.stringify({ service: `h2c over ${request.httpVersion}` }))
  })
  await new Promise<void>((resolve) => void h2c.listen(0, '127.0.0.1', resolve))
  sockets = await startTwoProtocolServer((request, response) => {
    request.resume()
    response.end('no upgrade')
  })
  sockets.onUpgrade((request, socket) => {
    const accept = createHash('sha1').update(
      `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`,
    )
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept.digest('base64')}\r\n\r\n`,
    )
    socket.pipe(socket)
  })
  envoy = await StaticEnvoy.start(
    [
      gatewayClassYaml,
      gatewayYaml('web', '[{name: http, protocol: HTTP, port: 80}]'),
      ...manifests.map((m) => m()),
    ].join(''),
  )
})
afterAll(async () => {
  await envoy?.stop()
  await sockets?.close()
  h2c?.close()
  for (const echo of echos) await echo.close()
})

const who = async (path: string) => {
  const answer = await envoy.send(80, path)
  return answer.status === 200 ? answer.echo.service : answer.status
}

describe('a Service', () => {
  const selecting = addService('selecting', `{selector: {app: a}, ports: ${onlyPort}}`, () => [slice(here, 0)])
  const headless = addService('headless', `{clusterIP: None, selector: {app: a}, ports: ${onlyPort}}`, () => [
    slice(here, 0),
  ])
  const manual = addService('manual', `{ports: ${onlyPort}}`, () => [
    slice(here, 0),
    'addressType: IPv6\nports: [{name: main, port: 3000}]',
  ])
  const headlessManual = addService('headless-manual', `{clusterIP: None, ports: ${onlyPort}}`, () => [slice(here, 0)])
  const nodePort = addService(
    'node-port',
    `{type: NodePort, ports: [{name: main, port: 8080, nodePort: 30080}]}`,
    () => [slice(here, 0)],
  )
  const balanced = addService('balanced', `{type: LoadBalancer, ports: ${onlyPort}}`, () => [slice(here, 0)])
  const nameless = addService('nameless', '{ports: [{port: 8080}]}', () => [
    `addressType: IPv4\nendpoints: ${here}\nports: [{port: ${echos[0]?.port}}]`,
  ])
  const several = addService(
    'several',
    '{ports: [{name: other, port: 9090}, {name: main, port: 8080}, {name: udp, port: 8080, protocol: UDP}]}',
    () => [
      `addressType: IPv4\nendpoints: ${here}\nports: [{name: other, port: ${echos[1]?.port}}, {name: main, port: ${echos[0]?.port}}, {name: udp, port: 1, protocol: UDP}]`,
    ],
  )
  const dual = addService(
    'dual',
    `{ipFamilies: [IPv4, IPv6], ipFamilyPolicy: RequireDualStack, ports: ${onlyPort}}`,
    () => [slice(here, 0), slice('[{addresses: ["2001:db8::1"]}]', 0, { type: 'IPv6' })],
  )
  const external = addService(
    'external',
    `{type: ExternalName, externalName: example.com, ports: ${onlyPort}}`,
    () => [],
  )

  it.each([selecting, headless, manual, headlessManual, nodePort, balanced, nameless, several, dual])(
    'is served by its endpoints, at the port that they have (%s)',
    async (path) => {
      expect(await who(path)).toBe('one')
    },
  )

  it('that is a name of something outside is refused', async () => {
    expect(await who(external)).toBe(500)
  })
})

describe('endpoints', () => {
  const unready = '[{addresses: [127.0.0.1], conditions: {ready: false, serving: false, terminating: false}}]'
  const leaving = '[{addresses: [127.0.0.1], conditions: {ready: false, serving: true, terminating: true}}]'
  const gone = '[{addresses: [127.0.0.1], conditions: {ready: false, serving: false, terminating: true}}]'
  const spec = `{ports: ${onlyPort}}`
  const withUnready = addService('with-unready', spec, () => [slice(here, 0), slice(unready, 1)])
  const onlyUnready = addService('only-unready', spec, () => [slice(unready, 0)])
  const withLeaving = addService('with-leaving', spec, () => [slice(here, 0), slice(leaving, 1)])
  const onlyLeaving = addService('only-leaving', spec, () => [slice(leaving, 1), slice(gone, 0)])
  const onlyGone = addService('only-gone', spec, () => [slice(gone, 0)])
  const none = addService('none', spec, () => [])

  it.each([withUnready, withLeaving])('that are ready get everything while there are any (%s)', async (path) => {
    for (let i = 0; i < 20; i++) expect(await who(path)).toBe('one')
  })

  it('that leave but serve get requests when nothing else is left', async () => {
    for (let i = 0; i < 10; i++) expect(await who(onlyLeaving)).toBe('two')
  })

  it.each([onlyUnready, onlyGone, none])(
    'that cannot serve get nothing: 503, for the Service itself is there (%s)',
    async (path) => {
      expect(await who(path)).toBe(503)
    },
  )
})

describe('appProtocol', () => {
  const h2 = addService('h2', '{ports: [{name: main, port: 8080, appProtocol: kubernetes.io/h2c}]}', () => [
    `addressType: IPv4\nendpoints: ${here}\nports: [{name: main, port: ${(h2c.address() as AddressInfo).port}}]`,
  ])
  const ws = addService('ws', '{ports: [{name: main, port: 8080, appProtocol: kubernetes.io/ws}]}', () => [
    `addressType: IPv4\nendpoints: ${here}\nports: [{name: main, port: ${sockets.port}}]`,
  ])
  const plain = addService('plain-ws', `{ports: ${onlyPort}}`, () => [
    `addressType: IPv4\nendpoints: ${here}\nports: [{name: main, port: ${sockets.port}}]`,
  ])
  const wss = addService('wss', '{ports: [{name: main, port: 8080, appProtocol: kubernetes.io/wss}]}', () => [
    slice(here, 0),
  ])
  const unknown = addService('unknown', '{ports: [{name: main, port: 8080, appProtocol: example.com/own}]}', () => [
    slice(here, 0),
  ])

  it('kubernetes.io/h2c is HTTP/2 in the clear', async () => {
    expect(await who(h2)).toBe('h2c over 2.0')
  })

  it.each([ws, plain])('kubernetes.io/ws is WebSocket, which works without it, too (%s)', async (path) => {
    expect(await exchange(path, 'hello')).toBe('hello')
  })

  it('kubernetes.io/wss without a policy that says whom to trust is refused', async () => {
    expect(await who(wss)).toBe(500)
  })

  it('of somebody else is left to HTTP/1.1', async () => {
    expect(await who(unknown)).toBe('one')
  })
})

/** Upgrades a connection, sends bytes, and gives those that come back. */
function exchange(path: string, text: string): Promise<string> {
  const [host = '', port] = envoy.address(80).split(':')
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(Number(port), host)
    let received = ''
    socket.setTimeout(5000, () => socket.destroy(new Error(`nothing came after ${received}`)))
    socket.on('error', reject)
    socket.write(
      `GET ${path} HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    )
    let upgraded = false
    socket.on('data', (data) => {
      received += data.toString('latin1')
      const end = received.indexOf('\r\n\r\n')
      if (end < 0) return
      if (!upgraded) {
        upgraded = true
        if (!received.startsWith('HTTP/1.1 101')) reject(new Error(received))
        socket.write(text)
      }
      const body = received.slice(end + 4)
      if (body.length < text.length) return
      socket.destroy()
      resolve(body)
    })
  })
}
