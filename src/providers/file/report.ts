import { compareBy, compareStrings } from '../../base/compare.ts'

/** Something in a file that a user should put right. */
export interface FileProblem {
  /** As the path was given, so that people can click it; "<stdin>" for standard input. */
  readonly file: string
  /** From 1; 0 when the whole file is meant. */
  readonly line: number
  /** From 1; 0 when the whole file is meant. */
  readonly column: number
  /** error: an object or a file was not read as written. warning: something was left aside. */
  readonly severity: 'error' | 'warning'
  /** "HTTPRoute shop/web", where that much could be read. */
  readonly object?: string | undefined
  /** "spec.rules[0].matches", where the problem is in a field. */
  readonly field?: string | undefined
  /** What is wrong and how to put it right. Never a value of a Secret. */
  readonly message: string
}

/** What the provider found at its last look. */
export interface FileReport {
  /** Files that were read. */
  readonly files: number
  /** Objects in force, Namespaces that nobody declared included. */
  readonly objects: number
  /** By file, line and column. */
  readonly problems: readonly FileProblem[]
}

/** "routes/web.yaml:12:7: error: HTTPRoute shop/web: spec.rules[0].matches: ...". */
export function formatProblem({ file, line, column, severity, object, message }: FileProblem): string {
  const place = line > 0 ? `${file}:${line}:${column}` : file
  return `${place}: ${severity}: ${object === undefined ? '' : `${object}: `}${message}`
}

/** By file, line and column, then by message. */
export const compareProblems: (a: FileProblem, b: FileProblem) => number = compareBy(
  (a, b) => compareStrings(a.file, b.file),
  (a, b) => a.line - b.line,
  (a, b) => a.column - b.column,
  (a, b) => compareStrings(a.message, b.message),
)
