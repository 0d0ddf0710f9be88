import { type Document, LineCounter, parseAllDocuments } from 'yaml'
import { findKind, type KindName, type KubernetesObject } from '../../gatewayapi/kinds.ts'
import { type NamespacedName, namespacedName } from '../../gatewayapi/object-key.ts'
import { type FieldPath, formatFieldPath, supportedKinds, validateObject } from '../../gatewayapi/validate-object.ts'
import type { FileProblem } from './report.ts'
import { findPosition, type Position, positionAt } from './yaml-position.ts'

/** A problem before it is known in which file, and with lines that count from the beginning of its part. */
export type LocalProblem = Omit<FileProblem, 'file'>

/** One object of a file. */
export interface ManifestEntry extends Position {
  readonly identity: { readonly kind: KindName; readonly key: NamespacedName } | undefined
  /** undefined when the object is refused: then an earlier version of it stays in force. */
  readonly object: KubernetesObject | undefined
  /** Of a kind that is read. Others have no object and no earlier version. */
  readonly supported: boolean
  readonly problems: readonly LocalProblem[]
}

/** What stands in a file between two "---" lines. */
export interface ManifestPart {
  readonly entries: readonly ManifestEntry[]
  /** Not empty: the text is no YAML, and nothing is known of its objects. */
  readonly syntaxProblems: readonly LocalProblem[]
}

/** Enough to see what is wrong; one bad bracket can give thousands. */
const maxSyntaxProblems = 3
/** Lists inside of lists are no more than a curiosity. */
const maxListDepth = 4
/** More uses of anchors than a person writes, far fewer than a "billion laughs" needs. */
const maxAliases = 100

/**
 * Splits a text at its "---" lines, so that an edit of one document leaves the others as they were parsed.
 * YAML allows such a line nowhere inside of a document.
 * @returns the parts that hold more than comments, with the line before each
 */
export function splitManifest(text: string): { readonly text: string; readonly line: number }[] {
  const starts = [0]
  for (const match of text.matchAll(/^---(?=[ \t\r\n]|$)/gm)) if (match.index > 0) starts.push(match.index)
  const parts: { text: string; line: number }[] = []
  let line = 0
  for (const [index, start] of starts.entries()) {
    const whole = text.slice(start, starts[index + 1])
    // Without its marker a document stays the same when the one before it goes.
    const marker = /^---[ \t]*\r?\n/.exec(whole)?.[0] ?? ''
    const part = whole.slice(marker.length)
    if (holdsContent(part)) parts.push({ text: part, line: marker === '' ? line : line + 1 })
    for (let at = whole.indexOf('\n'); at >= 0; at = whole.indexOf('\n', at + 1)) line += 1
  }
  return parts
}

/** Comments, directives such as %YAML, and markers alone are no document. */
function holdsContent(part: string): boolean {
  return part.split('\n').some((line) => !/^\s*$|^\s*#|^%|^\.\.\.\s*$|^---\s*(?:#.*)?$/.test(line))
}

/** Reads the objects of one part. Never throws: whatever the text is, the answer is problems. */
export function parseManifest(text: string, defaultNamespace: string): ManifestPart {
  const lines = new LineCounter()
  try {
    // prettyErrors would quote the text, which may be a Secret.
    const documents = parseAllDocuments(text, {
      lineCounter: lines,
      prettyErrors: false,
      merge: true,
      logLevel: 'silent',
    })
    const parsed = 'empty' in documents ? [] : documents
    const syntaxProblems = parsed.flatMap((document) => listSyntaxProblems(document, lines))
    if (syntaxProblems.length > 0) return { entries: [], syntaxProblems }
    return {
      entries: parsed.flatMap((document) => readDocument(document, lines, defaultNamespace)),
      syntaxProblems: [],
    }
  } catch (error) {
    const tooDeep = error instanceof RangeError
    const reason = tooDeep ? 'is nested too deeply' : error instanceof Error ? error.message : String(error)
    return {
      entries: [],
      syntaxProblems: [{ line: 1, column: 1, severity: 'error', message: `cannot be read: ${reason}` }],
    }
  }
}

const syntaxFixes = new Map([
  ['DUPLICATE_KEY', 'the same field is given twice: remove one of them'],
  ['TAB_AS_INDENT', 'tabs are not allowed as indentation: use spaces'],
  ['RESOURCE_EXHAUSTION', 'is nested too deeply'],
])

function listSyntaxProblems(document: Document, lines: LineCounter): LocalProblem[] {
  const { errors } = document
  const exhausted = errors.find((error) => error.code === 'RESOURCE_EXHAUSTION')
  return (exhausted ? [exhausted] : errors.slice(0, maxSyntaxProblems)).map(({ code, message, pos }) => ({
    ...positionAt(lines, pos[0]),
    severity: 'error',
    message: `not valid YAML: ${syntaxFixes.get(code) ?? message}`,
  }))
}

function readDocument(document: Document.Parsed, lines: LineCounter, defaultNamespace: string): ManifestEntry[] {
  let raw: unknown
  try {
    raw = document.toJS({ maxAliasCount: maxAliases })
  } catch (error) {
    const message = `aliases cannot be resolved: ${error instanceof Error ? error.message : String(error)}`
    const position = findPosition(document, lines, [])
    return [
      {
        ...position,
        identity: undefined,
        object: undefined,
        supported: true,
        problems: [{ ...position, severity: 'error', message }],
      },
    ]
  }
  if (raw === null || raw === undefined) return []
  const reader = new ObjectReader(document, lines, defaultNamespace)
  reader.read(raw, [], 0)
  return reader.entries
}

/** Turns the plain values of one document into entries. */
class ObjectReader {
  readonly entries: ManifestEntry[] = []
  readonly #document: Document
  readonly #lines: LineCounter
  readonly #defaultNamespace: string

  constructor(document: Document, lines: LineCounter, defaultNamespace: string) {
    this.#document = document
    this.#lines = lines
    this.#defaultNamespace = defaultNamespace
  }

  read(raw: unknown, path: FieldPath, depth: number): void {
    const { apiVersion, kind, items } = isObject(raw) ? raw : {}
    if (typeof apiVersion === 'string' && typeof kind === 'string') {
      if (
        kind.endsWith('List') &&
        depth < maxListDepth &&
        (Array.isArray(items) || items === null || items === undefined)
      ) {
        // Items of a list that the API server itself made have no kind of their own.
        const inherited = kind === 'List' ? {} : { apiVersion, kind: kind.slice(0, -4) }
        for (const [index, item] of (items ?? []).entries())
          this.read(isObject(item) ? { ...inherited, ...item } : item, [...path, 'items', index], depth + 1)
        return
      }
      if (!this.#isSupported(apiVersion, kind, raw, path)) return
    }
    const { object, errors = [] } = validateObject(raw, { defaultNamespace: this.#defaultNamespace })
    const identity = this.#identify(raw)
    this.entries.push({
      ...this.#positionOf(path),
      identity,
      object,
      supported: true,
      problems: errors.map((error) => ({
        ...this.#positionOf([...path, ...error.path]),
        severity: 'error',
        object: describeObject(raw, this.#defaultNamespace),
        ...(error.path.length > 0 && { field: formatFieldPath(error.path) }),
        message: error.message,
      })),
    })
  }

  #isSupported(apiVersion: string, kind: string, raw: unknown, path: FieldPath): boolean {
    const lookup = findKind(apiVersion, kind)
    if (lookup.found === 'supported') return true
    const field = lookup.found === 'unknown' ? 'kind' : 'apiVersion'
    const message =
      lookup.found === 'unknown'
        ? `${kind} of ${apiVersion} is left aside, because Gatewright does not read it: it reads ${supportedKinds()}`
        : `${kind} of ${apiVersion} is left aside: use version ${lookup.definition.versions.join(' or ')}`
    const object = describeObject(raw, this.#defaultNamespace)
    const problem = { ...this.#positionOf([...path, field]), severity: 'warning' as const, object, field, message }
    this.entries.push({
      ...this.#positionOf(path),
      identity: undefined,
      object: undefined,
      supported: false,
      problems: [problem],
    })
    return false
  }

  /** Which object is meant, also when it is refused: by what can be read of its name. */
  #identify(raw: unknown): ManifestEntry['identity'] {
    const { apiVersion, kind, metadata } = isObject(raw) ? raw : {}
    if (typeof apiVersion !== 'string' || typeof kind !== 'string' || !isObject(metadata)) return undefined
    const lookup = findKind(apiVersion, kind)
    const { name, namespace } = metadata
    if (lookup.found !== 'supported' || typeof name !== 'string' || name === '' || name.includes('/')) return undefined
    const { definition } = lookup
    const own = typeof namespace === 'string' && namespace !== '' ? namespace : this.#defaultNamespace
    return { kind: definition.kind, key: namespacedName(definition.clusterScoped ? '' : own, name) }
  }

  #positionOf(path: FieldPath): Position {
    return findPosition(this.#document, this.#lines, path)
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** "HTTPRoute shop/web" of what can be read. */
function describeObject(raw: unknown, defaultNamespace: string): string | undefined {
  const { apiVersion, kind, metadata } = isObject(raw) ? raw : {}
  if (typeof kind !== 'string' || kind === '') return undefined
  const { name, namespace } = isObject(metadata) ? metadata : {}
  if (typeof name !== 'string' || name === '') return kind.slice(0, 64)
  const lookup = findKind(String(apiVersion), kind)
  const clusterScoped = lookup.found !== 'unknown' && lookup.definition.clusterScoped
  const own = typeof namespace === 'string' && namespace !== '' ? namespace : defaultNamespace
  return `${kind.slice(0, 64)} ${clusterScoped || (lookup.found === 'unknown' && typeof namespace !== 'string') ? '' : `${own.slice(0, 253)}/`}${name.slice(0, 253)}`
}
