import { spawn } from 'node:child_process'

/** The API server by way of `kubectl proxy`: for thousands of calls, where a process for each would be the bottleneck. */
export interface ApiProxy {
  /** @returns the parsed answer @throws with what the server said, if that is an error */
  call(method: string, path: string, body?: unknown, contentType?: string): Promise<unknown>
  /** Does the work of all items, some at a time. */
  each<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void>
  close(): void
}

/** Calls that are under way at once. */
const parallel = 16

export function openApiProxy(): Promise<ApiProxy> {
  const child = spawn('kubectl', ['proxy', '--port=0', '--address=127.0.0.1'])
  return new Promise((resolve, reject) => {
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      const address = /127\.0\.0\.1:\d+/.exec(said)?.[0]
      if (address !== undefined) resolve(createProxy(`http://${address}`, () => void child.kill()))
    })
    child.on('error', reject)
    child.on('exit', (status) => reject(new Error(`kubectl proxy ended with ${status}`)))
  })
}

function createProxy(url: string, close: () => void): ApiProxy {
  return {
    async call(method, path, body, contentType = 'application/json') {
      const response = await fetch(url + path, {
        method,
        ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': contentType } }),
      })
      const text = await response.text()
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 300)}`)
      return JSON.parse(text)
    },
    async each(items, work) {
      const waiting = items[Symbol.iterator]()
      const worker = async () => {
        for (const item of waiting) await work(item)
      }
      await Promise.all(Array.from({ length: parallel }, worker))
    },
    close,
  }
}
