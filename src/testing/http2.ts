import { connect } from 'node:http2'

export interface Http2Request {
  /** Where to connect to, e.g. "https://127.0.0.1:10443". */
  readonly url: string
  /** SNI. */
  readonly serverName: string
  /** The `:authority` that is asked for, on whatever connection. */
  readonly authority: string
  readonly path: string
  /** PEM of the authority that must have signed the certificate; unchecked unless given. */
  readonly ca?: string
}

/** One request over HTTP/2 and TLS on a connection of its own. */
export function sendHttp2({
  url,
  serverName,
  authority,
  path,
  ca,
}: Http2Request): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const session = connect(url, { servername: serverName, rejectUnauthorized: ca !== undefined, ...(ca && { ca }) })
    session.once('error', reject)
    const stream = session.request({ ':path': path, ':authority': authority })
    let status = 0
    let body = ''
    stream.setEncoding('utf8')
    stream.once('response', (headers) => {
      status = headers[':status'] ?? 0
    })
    stream.on('data', (text: string) => {
      body += text
    })
    stream.once('error', reject)
    stream.once('close', () => {
      session.close()
      resolve({ status, body })
    })
    stream.end()
  })
}
