/** A small HTTP server that answers with what it was asked, in JSON. `node examples/echo-backend.ts NAME PORT` */
import process from 'node:process'
import { startEchoBackend } from '../src/testing/echo-backend.ts'

const [service = 'echo', port = '0'] = process.argv.slice(2)
const backend = await startEchoBackend({ service, port: Number(port) })
console.log(`${service} answers on http://${backend.address}:${backend.port}`)
