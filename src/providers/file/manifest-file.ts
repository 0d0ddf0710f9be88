import { hash } from 'node:crypto'
import type { KindName, KubernetesObject } from '../../gatewayapi/kinds.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import { type ManifestEntry, type ManifestPart, parseManifest, splitManifest } from './manifest.ts'
import type { FileProblem } from './report.ts'

/** An object that a file has in force, and where it stands (or stood, when its text is broken now). */
export interface Claim {
  readonly kind: KindName
  readonly key: NamespacedName
  readonly object: KubernetesObject
  readonly line: number
  readonly column: number
}

/**
 * What one file says, with a memory of what it said before it was broken:
 * - while any part of it is no YAML, everything that was in force stays in force;
 * - while one object is refused, its last good version stays in force, and the other objects are read.
 * A file that was never good has nothing to keep: then its good parts are read.
 */
export class ManifestFile {
  readonly path: string
  readonly #defaultNamespace: string
  #parts = new Map<string, ManifestPart>()
  #claims: readonly Claim[] = []
  #problems: readonly FileProblem[] = []

  constructor(path: string, defaultNamespace: string) {
    this.path = path
    this.#defaultNamespace = defaultNamespace
  }

  /** In the order of the file. The same array until something changes. */
  get claims(): readonly Claim[] {
    return this.#claims
  }

  get problems(): readonly FileProblem[] {
    return this.#problems
  }

  /** Says that the file cannot be read; what was in force stays. */
  reject(message: string): void {
    this.#problems = [{ file: this.path, line: 0, column: 0, severity: 'error', message }]
  }

  /**
   * Whether the text looks like the beginning of something longer: it lacks objects that the file had, and
   * it ends with a document that the file did not have. Deleting documents alone does not look like that.
   */
  looksCutOff(text: string): boolean {
    const parts = splitManifest(text)
    const last = parts.at(-1)
    const endsWithMarker = text.trimEnd().endsWith('\n---')
    if (last === undefined || (this.#parts.has(idOfPart(last.text)) && !endsWithMarker)) return false
    const named = new Set<string>()
    for (const part of parts) {
      const { entries, syntaxProblems } = this.#parse(part.text)
      // Then nothing is lost: what is no YAML changes nothing.
      if (syntaxProblems.length > 0) return false
      for (const { identity } of entries) if (identity !== undefined) named.add(idOf(identity))
    }
    return this.#claims.some((claim) => !named.has(idOf(claim)))
  }

  /**
   * Takes the text in. Parts that are as before are not parsed again.
   * @param pause called between parts, so that a large file does not keep everything else waiting
   */
  async update(text: string, pause: () => Promise<void> | undefined): Promise<void> {
    const parts = new Map<string, ManifestPart>()
    const entries: ManifestEntry[] = []
    const problems: FileProblem[] = []
    let broken = false
    for (const { text: part, line } of splitManifest(text)) {
      const id = idOfPart(part)
      const parsed = parts.get(id) ?? this.#parse(part)
      parts.set(id, parsed)
      await pause()
      broken ||= parsed.syntaxProblems.length > 0
      const place = <T extends { readonly line: number }>(local: T): T => ({ ...local, line: local.line + line })
      for (const problem of [...parsed.syntaxProblems, ...parsed.entries.flatMap((entry) => entry.problems)])
        problems.push({ file: this.path, ...place(problem) })
      for (const entry of parsed.entries) entries.push(place(entry))
    }
    this.#parts = parts
    this.#problems = problems
    if (!broken || this.#claims.length === 0) this.#claims = mergeLastGood(this.#claims, entries)
  }

  #parse(part: string): ManifestPart {
    return this.#parts.get(idOfPart(part)) ?? parseManifest(part, this.#defaultNamespace)
  }
}

function idOfPart(text: string): string {
  return hash('sha1', text, 'base64')
}

function idOf({ kind, key }: { readonly kind: KindName; readonly key: NamespacedName }): string {
  return `${kind}/${key}`
}

/** Fills the places of refused objects with their last good versions. */
function mergeLastGood(before: readonly Claim[], entries: readonly ManifestEntry[]): readonly Claim[] {
  const earlier = new Map(before.map((claim) => [idOf(claim), claim]))
  const named = new Set(entries.flatMap(({ identity }) => (identity === undefined ? [] : [idOf(identity)])))
  const claims: Claim[] = []
  // Counts objects only, so that a document of another kind in between shifts nothing.
  let position = 0
  for (const { supported, identity, object, line, column } of entries) {
    if (!supported) continue
    const neighbour = before[position]
    position += 1
    if (identity !== undefined && object !== undefined) claims.push({ ...identity, object, line, column })
    else if (identity !== undefined) {
      const last = earlier.get(idOf(identity))
      if (last !== undefined) claims.push(last)
    } else if (neighbour !== undefined && !named.has(idOf(neighbour))) {
      // Even the name cannot be read: the object that stood at this place is meant.
      claims.push(neighbour)
    }
  }
  return claims
}
