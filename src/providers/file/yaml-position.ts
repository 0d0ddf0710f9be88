import { type Document, isAlias, isMap, isPair, isScalar, isSeq, type LineCounter, type Node } from 'yaml'
import type { FieldPath } from '../../gatewayapi/validate-object.ts'

/** A place in a text, both from 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** The place of a character of the text. */
export function positionAt(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset)
  return { line: Math.max(line, 1), column: Math.max(col, 1) }
}

/**
 * Where a field stands: its name, or the beginning of an item of a list. For a field that is missing, the
 * deepest one around it that exists.
 */
export function findPosition(document: Document, lines: LineCounter, path: FieldPath): Position {
  let node: unknown = document.contents
  let offset = startOf(node) ?? 0
  for (const step of path) {
    const holder: unknown = isAlias(node) ? node.resolve(document) : node
    let place: unknown
    if (isMap(holder)) {
      const pair = holder.items.find((item) => isPair(item) && keyOf(item.key) === String(step))
      place = pair?.key
      node = pair?.value
    } else if (isSeq(holder) && typeof step === 'number') {
      place = holder.items[step]
      node = place
    }
    const start = startOf(place)
    if (start === undefined) break
    offset = start
  }
  return positionAt(lines, offset)
}

function keyOf(key: unknown): string {
  return String(isScalar(key) ? key.value : key)
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0]
}
