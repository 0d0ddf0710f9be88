import { createServer } from 'node:net'
import type { BindProbe } from './address-plan.ts'

/**
 * Binds a port and lets it go again. Node binds without SO_REUSEPORT, so a port that any other process
 * holds is seen, also one that another Envoy would share.
 */
export const probeBind: BindProbe = (address, port) =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve('in-use')
      else if (error.code === 'EACCES' || error.code === 'EPERM') resolve('forbidden')
      else if (error.code === 'EADDRNOTAVAIL' || error.code === 'EINVAL') resolve('no-address')
      else reject(error)
    })
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve('free')))
  })
