import { type FakeAnswer, refuse } from './fake-api-connection.ts'
import type { FakeAttributes, FakeVerb } from './fake-api-faults.ts'

/** A right that somebody has forgotten to give. */
export interface MissingRight {
  /** Any of them. */
  readonly verbs: readonly FakeVerb[]
  /** Plural with its subresource, as in a Role. */
  readonly resource: string
  /** In this namespace only; everywhere unless given. */
  readonly namespace?: string
}

/** What the caller may not do: everything else is allowed. Watches that are open stay so, as on a real server. */
export class FakeRights {
  readonly #missing = new Set<MissingRight>()

  /**
   * Takes a right away.
   * @returns gives it back
   */
  remove(right: MissingRight): () => void {
    this.#missing.add(right)
    return () => this.#missing.delete(right)
  }

  /** @returns the refusal of a request that there is no right to, in the words of Kubernetes */
  check({ verb, resource, namespace }: Pick<FakeAttributes, 'verb' | 'resource' | 'namespace'>, group: string) {
    const isMissing = [...this.#missing].some(
      (right) =>
        right.verbs.includes(verb) &&
        right.resource === resource &&
        (right.namespace === undefined || right.namespace === namespace),
    )
    return isMissing ? forbid(verb, resource, group, namespace) : undefined
  }
}

function forbid(verb: FakeVerb, resource: string, group: string, namespace: string): FakeAnswer {
  const [plural = ''] = resource.split('/')
  const what = group === '' ? plural : `${plural}.${group}`
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`
  const who = 'User "system:serviceaccount:gatewright-system:gatewright"'
  return refuse(
    403,
    'Forbidden',
    `${what} is forbidden: ${who} cannot ${verb} resource "${resource}" in API group "${group}" ${where}`,
  )
}
