import { contentVersion } from '../base/hash.ts'
import { type EnvoyResource, type ResourcePart, typeUrls } from '../xds/resource.ts'

/** Parts by name; a part whose text begins with `bad` is refused by proxies that judge by it. */
export type TableParts = Readonly<Record<string, string>>

/** What stands for a part that is out of order. */
export const placeholderText = '500'

/** A table in scope "a" whose text is `host:text,host:text`, made of parts as tables of virtual hosts are. */
export function makeTable(name: string, parts: TableParts): EnvoyResource {
  return buildTable(
    name,
    Object.entries(parts).map(([host, text]) => makePart(host, text)),
  )
}

function makePart(name: string, text: string): ResourcePart {
  const bytes = Buffer.from(`${name}:${text}`)
  const isPlaceholder = text === placeholderText
  return {
    name,
    version: contentVersion(bytes),
    bytes,
    sources: [`route/${name}`],
    ...(isPlaceholder && { isPlaceholder }),
  }
}

function buildTable(name: string, parts: readonly ResourcePart[]): EnvoyResource {
  const bytes = Buffer.from(`${name}=${parts.map((part) => Buffer.from(part.bytes).toString()).join(',')}`)
  return {
    typeUrl: typeUrls.route,
    scope: 'a',
    name,
    version: contentVersion(bytes),
    bytes,
    sources: parts.flatMap((part) => part.sources),
    parts: () => parts,
    replaceParts: (others) =>
      buildTable(
        name,
        parts.map((part) =>
          others.has(part.name) ? (others.get(part.name) ?? makePart(part.name, placeholderText)) : part,
        ),
      ),
  }
}

/** What a proxy holds, as `makeTable` takes it. */
export function parseTable(text: string): TableParts {
  return Object.fromEntries(text.split(',').map((part) => part.split(':') as [string, string]))
}
