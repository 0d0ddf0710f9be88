import { spawn } from 'node:child_process'
import { type CommandOptions, runCommand } from './command.ts'

/** What tests read of objects; fields are checked where they are used. */
export interface LiveObject {
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly uid: string
    readonly generation?: number
    readonly resourceVersion: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
    readonly creationTimestamp: string
    readonly deletionTimestamp?: string
  }
  // biome-ignore lint/suspicious/noExplicitAny: kinds differ, and a wrong field fails the test anyway
  readonly [field: string]: any
}

/** @returns standard output @throws with what it said, if it failed */
export async function kubectl(args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { stdout, stderr, status } = await runCommand('kubectl', args, options)
  if (status !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr.trim() || stdout.trim()} (status ${status})`)
  return stdout
}

export async function apply(yaml: string, namespace = 'default'): Promise<void> {
  await kubectl(['-n', namespace, 'apply', '-f', '-'], { input: yaml })
}

/** @returns undefined if there is none */
export async function find(kind: string, name: string, namespace = 'default'): Promise<LiveObject | undefined> {
  const text = await kubectl(['-n', namespace, 'get', kind, name, '--ignore-not-found', '-o', 'json'])
  return text.trim() === '' ? undefined : (JSON.parse(text) as LiveObject)
}

export async function list(kind: string, namespace: string, ...more: readonly string[]): Promise<LiveObject[]> {
  const text = await kubectl(['-n', namespace, 'get', kind, '-o', 'json', ...more])
  return (JSON.parse(text) as { items: LiveObject[] }).items
}

export async function jsonPath(kind: string, name: string, path: string, namespace = 'default'): Promise<string> {
  return await kubectl(['-n', namespace, 'get', kind, name, '-o', `jsonpath=${path}`])
}

/** A namespace for one test file, which may hold pods of the strictest kind only. It is made anew. */
export async function createNamespace(name: string): Promise<void> {
  await deleteNamespace(name)
  await kubectl(['create', 'namespace', name])
  await kubectl(['label', 'namespace', name, 'pod-security.kubernetes.io/enforce=restricted'])
}

/** Resolves when it is gone: what hangs on a finalizer fails the test. */
export async function deleteNamespace(name: string, limitSeconds = 90): Promise<void> {
  const timeout = `--timeout=${limitSeconds}s`
  await kubectl(['delete', 'namespace', name, '--ignore-not-found', timeout], { limit: (limitSeconds + 10) * 1000 })
}

export interface PortForward {
  /** On this machine, 127.0.0.1. */
  readonly port: number
  /** What kubectl said, e.g. "Forwarding from 127.0.0.1:40123 -> 10080". */
  readonly said: string
  close(): void
}

/** `kubectl port-forward TARGET :PORT`, ready when it says so. */
export function forwardPort(target: string, port: number, namespace: string): Promise<PortForward> {
  const child = spawn('kubectl', ['-n', namespace, 'port-forward', '--address', '127.0.0.1', target, `:${port}`])
  let said = ''
  return new Promise((resolve, reject) => {
    const listen = (chunk: Buffer) => {
      said += chunk.toString()
      const local = /Forwarding from 127\.0\.0\.1:(\d+) -> \d+/.exec(said)?.[1]
      if (local !== undefined) resolve({ port: Number(local), said, close: () => void child.kill() })
    }
    child.stdout.on('data', listen)
    child.stderr.on('data', listen)
    child.on('exit', (status) => reject(new Error(`port-forward ended with ${status}: ${said}`)))
    child.on('error', reject)
  })
}

/** Everything that one pod has logged. */
export async function readLogsOf(pod: string, namespace: string): Promise<string> {
  return await kubectl(['-n', namespace, 'logs', pod, '--tail=-1'])
}
