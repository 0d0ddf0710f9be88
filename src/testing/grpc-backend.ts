import * as grpc from '@grpc/grpc-js'

/** What a gRPC backend saw, and who it is. */
export interface GRPCAnswer {
  readonly service: string
  /** "/service/method". */
  readonly path: string
  readonly host: string
  /** Request headers that are text, by lower-case name. */
  readonly metadata: Readonly<Record<string, string>>
  /** What the client sent. */
  readonly text: string
}

export interface GRPCBackend {
  readonly address: string
  readonly port: number
  /** Calls so far, mirrored ones too. */
  readonly seen: readonly GRPCAnswer[]
  close(): Promise<void>
}

const asText = (text: string) => Buffer.from(text)
const fromText = (bytes: Buffer) => bytes.toString()

/** Methods whose names begin with "Stream" answer each message of the client with one. */
function methodOf(path: string): grpc.MethodDefinition<string, string> {
  const streams = path.includes('/Stream')
  return {
    path,
    requestStream: streams,
    responseStream: streams,
    requestSerialize: asText,
    requestDeserialize: fromText,
    responseSerialize: asText,
    responseDeserialize: fromText,
  }
}

/**
 * Answers calls of the given methods ("/service/method") with what it saw; others are UNIMPLEMENTED by it, with
 * its name as the message, so that a test can tell who did not know the method. Speaks HTTP/2 in the clear.
 */
export async function startGRPCBackend(service: string, methods: readonly string[]): Promise<GRPCBackend> {
  const seen: GRPCAnswer[] = []
  const answer = (
    call: grpc.ServerUnaryCall<string, string> | grpc.ServerDuplexStream<string, string>,
    text: string,
  ) => {
    const metadata: Record<string, string> = Object.create(null)
    for (const [name, value] of Object.entries(call.metadata.getMap())) metadata[name] = String(value)
    const own: GRPCAnswer = { service, path: call.getPath(), host: call.getHost(), metadata, text }
    seen.push(own)
    return JSON.stringify(own)
  }
  const server = new grpc.Server()
  for (const path of methods) {
    const definition = methodOf(path)
    const handler = definition.requestStream
      ? (call: grpc.ServerDuplexStream<string, string>) => {
          call.on('data', (text: string) => call.write(answer(call, text)))
          call.on('end', () => call.end())
        }
      : (call: grpc.ServerUnaryCall<string, string>, done: grpc.sendUnaryData<string>) =>
          done(null, answer(call, call.request))
    server.addService({ method: definition }, { method: handler as grpc.UntypedHandleCall })
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  return {
    address: '127.0.0.1',
    port,
    seen,
    close: async () => server.forceShutdown(),
  }
}

/** How a call ended: with the answer of a backend, or with a status. */
export interface GRPCResult {
  readonly code: grpc.status
  readonly details: string
  readonly answer: GRPCAnswer | undefined
  /** Response headers. */
  readonly headers: Readonly<Record<string, unknown>>
}

/** A client that calls whatever method it is told to, under the authority that it is told. */
export class GRPCClient {
  readonly #client: grpc.Client

  /** @param address "ip:port" @param ca PEM; plain text unless given */
  constructor(address: string, authority: string, ca?: string) {
    const credentials =
      ca === undefined ? grpc.credentials.createInsecure() : grpc.credentials.createSsl(Buffer.from(ca))
    this.#client = new grpc.Client(address, credentials, {
      'grpc.default_authority': authority,
      ...(ca !== undefined && { 'grpc.ssl_target_name_override': authority }),
      // A channel of its own: tests must not share connections by accident.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
    })
  }

  call(path: string, headers: Readonly<Record<string, string>> = {}, text = 'hello'): Promise<GRPCResult> {
    const metadata = new grpc.Metadata()
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
    return new Promise((resolve) => {
      let received: Record<string, unknown> = {}
      const options = { deadline: Date.now() + 10_000 }
      const call = this.#client.makeUnaryRequest(path, asText, fromText, text, metadata, options, (error, value) => {
        const answer = value === undefined ? undefined : (JSON.parse(value) as GRPCAnswer)
        const { code = grpc.status.OK, details = '' } = error ?? {}
        resolve({ code, details, answer, headers: received })
      })
      call.on('metadata', (response: grpc.Metadata) => {
        received = response.getMap()
      })
    })
  }

  /** Sends messages one after the other, each after the answer to the one before. */
  stream(path: string, texts: readonly string[]): Promise<GRPCAnswer[]> {
    const call = this.#client.makeBidiStreamRequest(path, asText, fromText, new grpc.Metadata(), {
      deadline: Date.now() + 10_000,
    })
    const answers: GRPCAnswer[] = []
    return new Promise((resolve, reject) => {
      call.on('error', reject)
      call.on('data', (value: string) => {
        answers.push(JSON.parse(value) as GRPCAnswer)
        const next = texts[answers.length]
        if (next === undefined) call.end()
        else call.write(next)
      })
      call.on('end', () => resolve(answers))
      call.write(texts[0] ?? '')
    })
  }

  close(): void {
    this.#client.close()
  }
}
