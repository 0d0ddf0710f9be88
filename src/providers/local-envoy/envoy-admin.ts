/** What is asked of an Envoy's admin page. An Envoy that does not answer gives undefined, never an error. */
export class EnvoyAdmin {
  readonly url: string

  /** @param url without a slash at its end */
  constructor(url: string) {
    this.url = url
  }

  /** New connections are refused at once, open ones end with their next answer; requests in flight go on. */
  async beginDrain(): Promise<void> {
    // In this order: clients that are told to go reconnect at once, and whoever is in the kernel's queue when
    // the listening socket closes is reset.
    await this.#ask('POST', '/drain_listeners')
    // A failed health check makes Envoy say `connection: close`, or GOAWAY, with every answer from now on.
    await this.#ask('POST', '/healthcheck/fail')
  }

  /** Requests that wait for their answer, and TCP connections that are being proxied. */
  async countInFlight(): Promise<number | undefined> {
    const text = await this.#ask('GET', '/stats?usedonly&filter=downstream_(rq|cx)_active')
    if (text === undefined) return undefined
    let count = 0
    for (const line of text.split('\n')) {
      const [, prefix, value] = /^(http\..*\.downstream_rq|tcp\..*\.downstream_cx)_active: (\d+)$/.exec(line) ?? []
      // This very question is a request to the admin page.
      if (prefix !== undefined && !prefix.startsWith('http.admin.')) count += Number(value)
    }
    return count
  }

  async #ask(method: 'GET' | 'POST', path: string): Promise<string | undefined> {
    try {
      const response = await fetch(this.url + path, { method, signal: AbortSignal.timeout(2000) })
      return await response.text()
    } catch {
      return undefined
    }
  }
}
