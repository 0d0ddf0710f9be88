import { anyHostname } from '../gatewayapi/hostname.ts'

/** Hostnames with who has them; finds those that overlap without looking at all of them. */
export class HostnameOverlaps<T> {
  /** "*.b" under "b", and "" for every host. */
  readonly #wildcards = new Map<string, Set<T>>()
  readonly #exact = new Map<string, Set<T>>()
  /** Whatever ends in ".b" under "b", and everything under "". */
  readonly #below = new Map<string, Set<T>>()

  /** @param hostname "" and "*" stand for every host */
  add(hostname: string, owner: T): void {
    const { wildcard, name } = parse(hostname)
    addTo(wildcard ? this.#wildcards : this.#exact, name, owner)
    for (const parent of parentsOf(name)) addTo(this.#below, parent, owner)
  }

  /** Whoever has a hostname with a host in common, at most `limit` others, in the order in which they were added. */
  find(hostname: string, except: T, limit: number): Set<T> {
    const { wildcard, name } = parse(hostname)
    const found = new Set<T>()
    const collect = (owners: Iterable<T> = []) => {
      for (const owner of owners) {
        if (found.size >= limit) return
        if (owner !== except) found.add(owner)
      }
    }
    for (const parent of parentsOf(name)) collect(this.#wildcards.get(parent))
    if (wildcard) {
      collect(this.#wildcards.get(name))
      collect(this.#below.get(name))
    } else collect(this.#exact.get(name))
    return found
  }
}

function parse(hostname: string): { wildcard: boolean; name: string } {
  const name = hostname.toLowerCase()
  if (name === '' || name === anyHostname) return { wildcard: true, name: '' }
  return name.startsWith('*.') ? { wildcard: true, name: name.slice(2) } : { wildcard: false, name }
}

/** "b.c", "c" and "" of "a.b.c"; nothing of "". */
function* parentsOf(name: string): Iterable<string> {
  for (let rest = name; rest !== ''; ) {
    const dot = rest.indexOf('.')
    rest = dot < 0 ? '' : rest.slice(dot + 1)
    yield rest
  }
}

function addTo<T>(map: Map<string, Set<T>>, key: string, owner: T): void {
  const owners = map.get(key)
  if (owners) owners.add(owner)
  else map.set(key, new Set([owner]))
}
