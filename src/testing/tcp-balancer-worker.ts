/** The thread behind `TcpBalancer`. */
import { connect, createServer, type Socket } from 'node:net'
import { parentPort } from 'node:worker_threads'

let targets: readonly number[] = []
let turn = 0
const sockets = new Set<Socket>()

const server = createServer({ allowHalfOpen: true }, (client) => {
  const port = targets[turn++ % targets.length]
  if (port === undefined) {
    client.destroy()
    return
  }
  const upstream = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    sockets.add(from)
    from.setNoDelay(true)
    from.on('data', (data) => {
      if (!to.write(data)) from.pause()
    })
    to.on('drain', () => from.resume())
    from.on('end', () => to.end())
    // As the packets themselves would: what breaks on one side breaks on the other.
    from.on('error', () => to.resetAndDestroy())
    from.on('close', (hadError) => {
      sockets.delete(from)
      if (!hadError && !from.readableEnded) to.destroy()
    })
  }
})

server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object') parentPort?.postMessage(address?.port)
})
parentPort?.on('message', (message: readonly number[] | 'stop') => {
  if (message !== 'stop') {
    targets = message
    return
  }
  server.close()
  for (const socket of sockets) socket.destroy()
  parentPort?.close()
})
