import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * An application that asks somebody else for whatever it is asked, within the same trace: it passes on what
 * OpenTelemetry does, and nothing else.
 */
export async function startPassingApplication(url: string): Promise<{ readonly port: number; close(): void }> {
  const server = createServer(async ({ headers }, response) => {
    const { traceparent = '', tracestate = '' } = headers as Record<string, string>
    const answer = await fetch(url, { headers: { traceparent, tracestate } })
    response.writeHead(answer.status).end(await answer.text())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
