import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { HTTPHeaderFilter } from '../gatewayapi/objects/http-filter.ts'
import { envoy } from '../gen/envoy.js'
import { foldHeaderFilters, type HeaderMutations, hostOf } from './header-mutation.ts'

const { OVERWRITE_IF_EXISTS_OR_ADD } = envoy.config.core.v3.HeaderValueOption.HeaderAppendAction

type Headers = Map<string, string[]>

/** What Envoy does, in its order. */
function applyMutations({ add, remove }: HeaderMutations, before: Headers): Headers {
  const headers = new Map(before)
  for (const name of remove) headers.delete(name)
  const of = (overwrites: boolean) => add.filter((o) => (o.appendAction === OVERWRITE_IF_EXISTS_OR_ADD) === overwrites)
  for (const { header } of of(true)) headers.set(header?.key ?? '', [header?.value ?? ''])
  for (const { header } of of(false))
    headers.set(header?.key ?? '', [...(headers.get(header?.key ?? '') ?? []), header?.value ?? ''])
  return headers
}

/** What filters mean, one after the other. */
function applyFilters(filters: readonly HTTPHeaderFilter[], before: Headers): Headers {
  const headers = new Map(before)
  for (const { remove = [], set = [], add = [] } of filters) {
    for (const name of remove) headers.delete(name)
    for (const { name, value } of set) headers.set(name, [value])
    for (const { name, value } of add) headers.set(name, [...(headers.get(name) ?? []), value])
  }
  return headers
}

describe('foldHeaderFilters', () => {
  it('does the same as the filters one after the other', () => {
    const name = fc.constantFrom('a', 'b', 'c')
    const header = fc.record({ name, value: fc.constantFrom('1', '2', '3') })
    const unique = fc.uniqueArray(header, { selector: (h) => h.name })
    const filter: fc.Arbitrary<HTTPHeaderFilter> = fc.record({ set: unique, add: unique, remove: fc.uniqueArray(name) })
    const request = fc.uniqueArray(fc.tuple(name, fc.array(fc.constant('0'), { minLength: 1, maxLength: 2 })), {
      selector: ([n]) => n,
    })
    fc.assert(
      fc.property(fc.array(filter, { maxLength: 4 }), request, (filters, before) => {
        const headers = new Map(before)
        expect(applyMutations(foldHeaderFilters(filters), headers)).toEqual(applyFilters(filters, headers))
      }),
    )
  })

  it('compares names without case and takes values literally', () => {
    const { add, remove } = foldHeaderFilters([
      { set: [{ name: 'X-A', value: '1' }] },
      { set: [{ name: 'x-a', value: '%START_TIME% 5%' }], remove: ['X-B'] },
    ])
    expect(add.map(({ header }) => header)).toEqual([{ key: 'x-a', value: '%%START_TIME%% 5%%' }])
    expect(remove).toEqual(['x-b'])
  })

  it.each(['Host', ':path', ':authority', 'bad name', 'a\nb', ''])(
    'leaves out %j, for which Envoy would refuse the table',
    (name) => {
      const header = [{ name, value: '1' }]
      expect(foldHeaderFilters([{ set: header, add: header, remove: [name] }])).toEqual({ add: [], remove: [] })
    },
  )

  it.each(['Content-Length', 'transfer-encoding', 'Connection', 'upgrade'])(
    "writes no %s, which is the connection's",
    (name) => {
      const header = [{ name, value: '1' }]
      expect(foldHeaderFilters([{ set: header, add: header }]).add).toEqual([])
    },
  )
})

describe('hostOf', () => {
  it.each([
    ['inner.test', 'inner.test'],
    ['inner.test:81', 'inner.test:81'],
    ['[::1]:80', '[::1]:80'],
    ['a b', undefined],
    ['a.test/path', undefined],
    ['user@a.test', undefined],
    ['', undefined],
  ])('takes %j as %j', (value, expected) => {
    expect(hostOf({ set: [{ name: 'HOST', value }] })).toBe(expected)
  })

  it('takes nothing from what is added or removed', () => {
    expect(hostOf({ add: [{ name: 'host', value: 'a' }], remove: ['host'] })).toBeUndefined()
  })
})
