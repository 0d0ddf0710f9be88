import * as grpc from '@grpc/grpc-js'
import protobuf from 'protobufjs'
import type { IssuedCertificate } from './certificates.ts'

/** As much of OTLP as tests look at. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  package otlp;
  message Value { string string_value = 1; }
  message Attribute { string key = 1; Value value = 2; }
  message Span {
    bytes trace_id = 1;
    bytes parent_span_id = 4;
    string name = 5;
    repeated Attribute attributes = 9;
  }
  message ScopeSpans { repeated Span spans = 2; }
  message Resource { repeated Attribute attributes = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message Request { repeated ResourceSpans resource_spans = 1; }
`)
const Request = root.lookupType('otlp.Request')

interface Attribute {
  readonly key: string
  readonly value?: { readonly stringValue?: string }
}

interface ExportRequest {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: { readonly attributes: readonly Attribute[] }
    readonly scopeSpans: ReadonlyArray<{
      readonly spans: ReadonlyArray<{
        readonly traceId: Buffer
        readonly parentSpanId: Buffer
        readonly name: string
        readonly attributes: readonly Attribute[]
      }>
    }>
  }>
}

export interface CollectedSpan {
  /** Hexadecimal; '' for the first span of a trace. */
  readonly trace: string
  readonly parent: string
  readonly name: string
  readonly service: string
  readonly attributes: Readonly<Record<string, string>>
}

/** Takes traces by OTLP over gRPC, and keeps them. */
export interface TraceCollector {
  readonly port: number
  readonly spans: readonly CollectedSpan[]
  /** The metadata of each export. */
  readonly metadata: ReadonlyArray<Readonly<Record<string, grpc.MetadataValue>>>
  close(): Promise<void>
}

const flatten = (attributes: readonly Attribute[]) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value?.stringValue ?? '']))

/** @param certificate with TLS, which it then speaks; plain text unless given */
export async function startTraceCollector(certificate?: IssuedCertificate): Promise<TraceCollector> {
  const spans: CollectedSpan[] = []
  const metadata: Record<string, grpc.MetadataValue>[] = []
  const server = new grpc.Server()
  const definition: grpc.ServiceDefinition = {
    Export: {
      path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
      requestStream: false,
      responseStream: false,
      requestSerialize: (bytes: Buffer) => bytes,
      requestDeserialize: (bytes) => bytes,
      responseSerialize: (bytes: Buffer) => bytes,
      responseDeserialize: (bytes) => bytes,
    },
  }
  server.addService(definition, {
    Export(call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
      metadata.push(call.metadata.getMap())
      const request = Request.decode(call.request) as unknown as ExportRequest
      for (const { resource, scopeSpans } of request.resourceSpans) {
        const service = flatten(resource.attributes)['service.name'] ?? ''
        for (const span of scopeSpans.flatMap((scope) => scope.spans))
          spans.push({
            trace: span.traceId.toString('hex'),
            parent: span.parentSpanId.toString('hex'),
            name: span.name,
            service,
            attributes: flatten(span.attributes),
          })
      }
      done(null, Buffer.alloc(0))
    },
  })
  const port = await new Promise<number>((resolve, reject) => {
    const credentials = certificate
      ? grpc.ServerCredentials.createSsl(null, [
          { cert_chain: Buffer.from(certificate.certificate), private_key: Buffer.from(certificate.privateKey) },
        ])
      : grpc.ServerCredentials.createInsecure()
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)))
  })
  return { port, spans, metadata, close: async () => server.forceShutdown() }
}
