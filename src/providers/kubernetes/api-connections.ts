import type { Agent } from 'node:http'
import { request as requestHttps, Agent as TlsAgent } from 'node:https'
import { createSecureContext } from 'node:tls'
import type { Clock } from '../../base/clock.ts'
import { ipVersion } from '../../base/ip-version.ts'
import type { ApiAccess } from './api-access.ts'
import { Http2Connections } from './http2-connections.ts'
import { idleLimit, keepAliveDelay, type Receiver, type SentRequest, type WireRequest } from './wire-request.ts'

/** An import would load all that the module has, WebSockets too: 7 MB and 60 ms. */
const http = process.getBuiltinModule('node:http')

/** What a connection depends on. */
type Place = Pick<ApiAccess, 'server' | 'tls'>

/** Connections to one server with one certificate. */
interface Server {
  readonly place: Place
  /** A connection for each request under way, for those that speak nothing else. */
  readonly agent: Agent
  /** undefined: it cannot. */
  http2: Http2Connections | undefined
}

const tlsFields = ['ca', 'cert', 'key', 'serverName', 'insecure'] as const satisfies (keyof ApiAccess['tls'])[]

/**
 * Connections to the API server, which are kept: one that all requests share where the server speaks HTTP/2, as API
 * servers do, because each connection costs both ends two milliseconds of CPU. Otherwise each request under way has one.
 */
export class ApiConnections {
  readonly #clock: Clock
  #servers: Server[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @throws when there is no way to the server */
  async send(access: ApiAccess, request: WireRequest, receiver: Receiver): Promise<SentRequest> {
    if (access.agent) return sendHttp1(access.agent, request, receiver)
    const server = this.#serverOf(access)
    const sent = await server.http2?.send(request, receiver)
    if (sent) return sent
    server.http2 = undefined
    return sendHttp1(server.agent, request, receiver)
  }

  close(): void {
    for (const server of this.#servers) closeServer(server)
    this.#servers = []
  }

  /** As long as nothing about the access changes but headers, it is the same. */
  #serverOf({ server, tls }: ApiAccess): Server {
    const place = { server, tls }
    const known = this.#servers.find((entry) => isSamePlace(entry.place, place))
    if (known) return known
    const added = { place, ...this.#openServer(place) }
    this.#servers.push(added)
    // Calls under way may end on the connections of the last credential, not on those before.
    while (this.#servers.length > 2) closeServer(this.#servers.shift() as Server)
    return added
  }

  #openServer({ server, tls: { ca, cert, key, serverName, insecure } }: Place): Omit<Server, 'place'> {
    const options = { keepAlive: true, scheduling: 'lifo', timeout: idleLimit } as const
    const { protocol, hostname, port } = new URL(server)
    if (protocol !== 'https:') return { agent: new http.Agent(options), http2: undefined }
    // Made once: parsing certificates anew costs each connection a millisecond.
    const secureContext = createSecureContext({
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      minVersion: 'TLSv1.2',
    })
    const tls = { secureContext, ...(insecure === true && { rejectUnauthorized: false }) }
    const host = hostname.replace(/^\[|\]$/g, '')
    const name = serverName ?? (ipVersion(host) === 0 ? host : undefined)
    const target = { ...tls, host, port: Number(port || 443), ...(name !== undefined && { servername: name }) }
    return {
      agent: new TlsAgent({ ...options, ...tls, ...(serverName !== undefined && { servername: serverName }) }),
      http2: new Http2Connections(target, this.#clock),
    }
  }
}

/** Of every request: the texts are the same ones as long as nothing was read anew, so that this costs nothing. */
function isSamePlace(a: Place, b: Place): boolean {
  return a.server === b.server && tlsFields.every((field) => a.tls[field] === b.tls[field])
}

function closeServer({ agent, http2 }: Server): void {
  agent.destroy()
  http2?.close()
}

function sendHttp1(agent: Agent, { url, method, headers, payload }: WireRequest, receiver: Receiver): SentRequest {
  const start = url.protocol === 'https:' ? requestHttps : http.request
  const request = start(url, { method, headers, agent })
  request.on('socket', (socket) => socket.setKeepAlive(true, keepAliveDelay))
  request.on('error', (error) => receiver.failed(error))
  request.on('response', (response) => {
    response.on('error', (error) => receiver.failed(error))
    const { statusCode: status = 0, headers } = response
    receiver.answered({ status, headers, body: response, isWhole: () => response.complete })
  })
  request.end(payload)
  // Its connection goes with it.
  return { cancel: () => request.destroy(), doubt() {} }
}
