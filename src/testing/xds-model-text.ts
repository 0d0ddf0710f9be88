import { type EnvoyResource, typeUrls } from '../xds/resource.ts'
import type { TypeName, XdsBed } from './xds-bed.ts'

/*
 * What the resources of random worlds say: listeners `v1 t1` (the table that they use), tables
 * `a:v7>c1>c2,b:v8` (parts with the clusters that they use), others `v1`. Anything `bad…` is refused.
 */

export function refersTo(text: string): readonly string[] {
  if (text.includes(':')) return [...text.matchAll(/>(\w+)/g)].map(([, name]) => name as string)
  return (text.split(' ')[1] ?? '').split(',').filter((name) => name !== '')
}

/** Whether a proxy refuses it, or a part of it. */
export function isBadText(text: string | undefined): boolean {
  return text !== undefined && /(^|:)bad/.test(text)
}

function textOfResource(resource: EnvoyResource): string {
  const text = Buffer.from(resource.bytes).toString()
  return text.slice(text.indexOf('=') + 1)
}

export function entriesOf(bed: XdsBed, type: TypeName): Map<string, string> {
  const found = new Map<string, string>()
  for (const [, resource] of bed.collections[type].entries()) {
    if (resource.scope === 'a' && resource.typeUrl === typeUrls[type])
      found.set(resource.name, textOfResource(resource))
  }
  return found
}

export function textOf(bed: XdsBed, type: TypeName, name: string): string | undefined {
  return entriesOf(bed, type).get(name)
}

/** Whether a proxy would load what is wanted under the name. */
export function isLoadable(bed: XdsBed, type: TypeName, name: string): boolean {
  const text = textOf(bed, type, name)
  return text !== undefined && !isBadText(text)
}
