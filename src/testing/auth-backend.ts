import { createServer, type IncomingMessage } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

/** What somebody who decides about a request was told of it. */
export interface AuthQuestion {
  readonly method: string
  readonly path: string
  readonly host: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Lets requests pass whose `authorization` says "allow", and tells the backend who they are. */
export interface AuthBackend {
  readonly port: number
  readonly questions: readonly AuthQuestion[]
  close(): Promise<void>
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request) body += String(chunk)
  return body
}

/** Decides by HTTP: 200 lets a request pass. `x-tenant` is whatever the request's `x-claim` says. */
export function startHTTPAuthBackend(name: string): Promise<AuthBackend> {
  const questions: AuthQuestion[] = []
  const server = createServer((request, response) => {
    void readBody(request).then((body) => {
      const { method = '', url: path = '', headers } = request
      const flat = Object.fromEntries(Object.entries(headers).map(([key, value]) => [key, String(value)]))
      questions.push({ method, path, host: headers.host ?? '', headers: flat, body })
      if (headers.authorization === 'allow') {
        const told = { 'x-user': name, 'x-more': 'told', host: 'evil.test', 'content-type': 'text/answer' }
        response.writeHead(200, { ...told, ...(flat['x-claim'] !== undefined && { 'x-tenant': flat['x-claim'] }) })
        response.end('fine')
      } else if (headers.authorization === 'break') response.destroy()
      else response.writeHead(401, { 'www-authenticate': `Basic realm=${name}`, 'x-why': 'no' }).end('who are you?')
    })
  })
  server.keepAliveTimeout = 0
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve({
        port: (server.address() as AddressInfo).port,
        questions,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed())
            server.closeAllConnections()
          }),
      }),
    )
  })
}

const deps = join(dirname(createRequire(import.meta.url).resolve('@grpc/grpc-js-xds/package.json')), 'deps')

interface CheckRequest {
  readonly attributes: {
    readonly request: {
      readonly http: { method: string; path: string; host: string; headers: Record<string, string>; body: string }
    }
  }
}

/** Decides by Envoy's gRPC protocol (envoy.service.auth.v3.Authorization). */
export async function startGRPCAuthBackend(name: string): Promise<AuthBackend> {
  const definition = loadSync('envoy/service/auth/v3/external_auth.proto', {
    keepCase: true,
    defaults: true,
    includeDirs: ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((directory) => join(deps, directory)),
  })
  const service = definition['envoy.service.auth.v3.Authorization'] as unknown as grpc.ServiceDefinition
  const questions: AuthQuestion[] = []
  const server = new grpc.Server()
  server.addService(service, {
    Check(call: grpc.ServerUnaryCall<CheckRequest, object>, done: grpc.sendUnaryData<object>) {
      const { method, path, host, headers, body } = call.request.attributes.request.http
      questions.push({ method, path, host, headers, body })
      const set = (key: string, value: string) => ({ header: { key, value } })
      if (headers['authorization'] === 'allow')
        done(null, {
          status: { code: 0 },
          ok_response: { headers: [set('x-user', name), set(':authority', 'evil.test'), set('host', 'evil.test')] },
        })
      else
        done(null, {
          status: { code: grpc.status.PERMISSION_DENIED },
          denied_response: { status: { code: 403 }, headers: [set('x-why', 'no')], body: 'who are you?' },
        })
    },
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  return { port, questions, close: async () => server.forceShutdown() }
}
