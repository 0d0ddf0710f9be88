import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { imageOptions, serveEnvironment } from './serve-process.ts'

/** Plain JavaScript, because what takes types away would count. */
const program = `
  import { createInterface } from 'node:readline'
  import { Server, ServerCredentials } from '@grpc/grpc-js'
  const server = new Server()
  await new Promise((resolve) => server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), resolve))
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const idle = process.memoryUsage.rss()
  const kept = []
  let cpu = 0
  for await (const line of createInterface({ input: process.stdin })) {
    const before = process.threadCpuUsage()
    const { kind, metadata: { namespace, name }, spec, endpoints, ports } = JSON.parse(line)
    const { user, system } = process.threadCpuUsage(before)
    cpu += (user + system) / 1e6
    kept.push({ kind, metadata: { namespace, name }, spec, endpoints, ports })
  }
  await new Promise((resolve) => setTimeout(resolve, 10000))
  process.stdout.write(JSON.stringify({ idle, full: process.memoryUsage.rss(), cpu, objects: kept.length }))
  process.exit()
`

export interface Floor {
  /** Resident bytes of Node.js with a gRPC server that listens. */
  readonly idle: number
  /** The same with the objects, as they came but for what nobody reads, and nothing made of them. */
  readonly full: number
  /** Seconds of CPU for parsing them. */
  readonly cpu: number
}

/** The least that serving a cluster could cost on this machine: the same Node.js, with what has to be kept. */
export async function measureFloor(objects: Iterable<object>): Promise<Floor> {
  const child: ChildProcess = spawn(process.execPath, [...imageOptions, '--input-type=module', '-e', program], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...serveEnvironment },
  })
  let output = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const ended = once(child, 'exit')
  for (const object of objects) {
    if (child.stdin?.write(`${JSON.stringify(object)}\n`) === false) await once(child.stdin, 'drain')
  }
  child.stdin?.end()
  await ended
  return JSON.parse(output) as Floor
}
