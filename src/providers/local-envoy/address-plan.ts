import type { NamespacedName } from '../../gatewayapi/object-key.ts'

/** Where one Gateway listens on this machine. */
export interface AddressPlan {
  readonly address: string
  /** The machine has no such address. */
  readonly isMissing: boolean
  /** Listener port to bound port. */
  readonly bound: ReadonlyMap<number, number>
  /** Listener port to why it cannot be bound. */
  readonly problems: ReadonlyMap<number, string>
}

export interface AddressRequest {
  readonly gateway: NamespacedName
  readonly ports: readonly number[]
  /** From spec.addresses; the first one is used. */
  readonly requestedAddresses: readonly string[]
}

/** Asks the system whether a port could be bound. */
export type BindProbe = (address: string, port: number) => Promise<'free' | 'in-use' | 'forbidden' | 'no-address'>

const movedBy = 10_000
const firstUnprivilegedPort = 1024
const mostLoopbackAddresses = 64

/**
 * Hands out addresses and ports of this machine to Gateways. A Gateway keeps what it has: an edit of
 * another one, or of its own listeners, moves nothing that is already bound.
 */
export class AddressPlanner {
  readonly #listenAddress: string
  readonly #probe: BindProbe
  readonly #plans = new Map<NamespacedName, AddressPlan>()

  constructor(listenAddress: string, probe: BindProbe) {
    this.#listenAddress = listenAddress
    this.#probe = probe
  }

  release(gateway: NamespacedName): void {
    this.#plans.delete(gateway)
  }

  /** @returns the plan for a Gateway's present listeners; ports with problems are probed anew each time */
  async plan(request: AddressRequest): Promise<AddressPlan> {
    const earlier = this.#plans.get(request.gateway)
    const wanted = request.requestedAddresses[0]
    const keeps = earlier !== undefined && (wanted === undefined || wanted === earlier.address)
    const address = keeps ? earlier.address : (wanted ?? (await this.#chooseAddress(request)))
    const bound = new Map<number, number>()
    const problems = new Map<number, string>()
    let isMissing = false
    for (const port of request.ports) {
      const known = keeps ? earlier.bound.get(port) : undefined
      if (known !== undefined) {
        bound.set(port, known)
        continue
      }
      const found = await this.#choosePort(request.gateway, address, port, [...bound.values()])
      if (typeof found === 'number') bound.set(port, found)
      else {
        problems.set(port, found.problem)
        isMissing ||= found.isMissing === true
      }
    }
    const plan = { address, isMissing, bound, problems }
    this.#plans.set(request.gateway, plan)
    return plan
  }

  /** The listen address, or, for a Gateway whose ports collide there, the next loopback address. */
  async #chooseAddress(request: AddressRequest): Promise<string> {
    const collides = (address: string) => {
      const others = [...this.#plans].filter(([key, plan]) => key !== request.gateway && overlap(plan.address, address))
      return others.some(([, plan]) => request.ports.some((port) => plan.bound.has(port)))
    }
    if (!collides(this.#listenAddress) || !this.#listenAddress.startsWith('127.')) return this.#listenAddress
    for (let last = 2; last < 2 + mostLoopbackAddresses; last++) {
      const address = `127.0.0.${last}`
      if (collides(address)) continue
      if ((await this.#probe(address, 0)) === 'free') return address
    }
    return this.#listenAddress
  }

  async #choosePort(
    gateway: NamespacedName,
    address: string,
    port: number,
    mine: readonly number[],
  ): Promise<number | { problem: string; isMissing?: boolean }> {
    const owner = (candidate: number) =>
      [...this.#plans].find(
        ([key, plan]) =>
          key !== gateway && overlap(plan.address, address) && [...plan.bound.values()].includes(candidate),
      )?.[0]
    const candidates = port < firstUnprivilegedPort ? [port, port + movedBy] : [port]
    let problem = ''
    for (const candidate of candidates) {
      const other = owner(candidate)
      if (other !== undefined || mine.includes(candidate)) {
        problem = `port ${candidate} of ${address} belongs to Gateway "${other ?? gateway}": use another port, or give the Gateway an address in spec.addresses`
        continue
      }
      const state = await this.#probe(address, candidate)
      if (state === 'free') return candidate
      if (state === 'no-address')
        return { problem: `this machine has no address ${address}: add it, or change spec.addresses`, isMissing: true }
      problem =
        state === 'in-use'
          ? `port ${candidate} of ${address} is in use by another process: end it, or use another port`
          : `port ${candidate} of ${address} needs a privilege that this process does not have: use a port from ${firstUnprivilegedPort} up`
    }
    return { problem }
  }
}

/** The unspecified address takes a port on every address. */
function overlap(a: string, b: string): boolean {
  const any = (address: string) => address === '0.0.0.0' || address === '::'
  return a === b || any(a) || any(b)
}
