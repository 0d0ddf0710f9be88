import type { FakeObject } from './fake-api-store.ts'

type Matches = (object: FakeObject) => boolean

/** A fieldSelector: equality of any field, e.g. "metadata.name=web,type!=Opaque". */
export function parseFieldSelector(text: string): Matches {
  const terms = text.split(',').filter((term) => term !== '')
  const checks = terms.map((term): Matches => {
    const [, path = '', operator, value] = /^(.*?)(==|!=|=)(.*)$/.exec(term) ?? []
    const read = (object: FakeObject) => {
      let at: unknown = object
      for (const step of path.split('.')) at = (at as Record<string, unknown> | undefined)?.[step]
      return at === undefined ? '' : String(at)
    }
    return (object) => (read(object) === value) === (operator !== '!=')
  })
  return (object) => checks.every((check) => check(object))
}

/** A labelSelector: "a=b", "a!=b", "a", "!a", "a in (b,c)", "a notin (b,c)". */
export function parseLabelSelector(text: string): Matches {
  const terms = text.match(/[^,(]+(?:\([^)]*\))?/g) ?? []
  const checks = terms.map((term): Matches => {
    const labelsOf = ({ metadata }: FakeObject) => metadata.labels ?? {}
    const set = /^\s*(\S+)\s+(in|notin)\s*\(([^)]*)\)\s*$/.exec(term)
    if (set) {
      const [, key = '', operator, list = ''] = set
      const values = list.split(',').map((value) => value.trim())
      return (object) => values.includes(labelsOf(object)[key] ?? '\0') === (operator === 'in')
    }
    const equality = /^\s*(.*?)\s*(==|!=|=)\s*(.*?)\s*$/.exec(term)
    if (equality) {
      const [, key = '', operator, value] = equality
      return (object) => (labelsOf(object)[key] === value) === (operator !== '!=')
    }
    const key = term.trim()
    if (key.startsWith('!')) return (object) => !Object.hasOwn(labelsOf(object), key.slice(1))
    return (object) => Object.hasOwn(labelsOf(object), key)
  })
  return (object) => checks.every((check) => check(object))
}
