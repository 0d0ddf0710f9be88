import { runCommand } from './command.ts'

export interface CurlAnswer {
  readonly status: number
  /** Names in lower case; of a repeated one, the last. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The answer of the official echo server. */
export interface EchoAnswer {
  readonly path: string
  readonly host: string
  readonly method: string
  readonly proto: string
  readonly headers: Readonly<Record<string, readonly string[]>>
  readonly namespace: string
  readonly service: string
  readonly pod: string
}

/** @throws when there is no answer within 5 s */
export async function curl(url: string, ...args: readonly string[]): Promise<CurlAnswer> {
  const { stdout, stderr, status } = await runCommand('curl', [
    '-sS',
    '-i',
    '--globoff',
    '--max-time',
    '5',
    ...args,
    url,
  ])
  if (status !== 0) throw new Error(`curl ${args.join(' ')} ${url}: ${stderr.trim()} (status ${status})`)
  return parseAnswer(stdout)
}

function parseAnswer(text: string): CurlAnswer {
  const end = text.indexOf('\r\n\r\n')
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n')
  const headers: Record<string, string> = Object.create(null)
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  return { status: Number(statusLine.split(' ')[1]), headers, body: text.slice(end + 4) }
}

export async function curlEcho(url: string, ...args: readonly string[]): Promise<EchoAnswer> {
  const { status, body } = await curl(url, ...args)
  if (status !== 200) throw new Error(`${url} answered ${status}: ${body.slice(0, 200)}`)
  return JSON.parse(body) as EchoAnswer
}

/** Puts an IPv6 address into brackets. */
export function hostOf(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}
