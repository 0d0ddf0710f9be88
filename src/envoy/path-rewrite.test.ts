import { describe, expect, it } from 'vitest'
import { buildPathRewrite, planPathChange } from './path-rewrite.ts'

const prefix = (match: string, replacement: string) =>
  buildPathRewrite(
    planPathChange(
      { type: 'ReplacePrefixMatch', replacePrefixMatch: replacement },
      { type: 'PathPrefix', value: match },
    ),
  )
const full = (path: string) =>
  buildPathRewrite(planPathChange({ type: 'ReplaceFullPath', replaceFullPath: path }, { type: 'Exact', value: '/' }))

describe('a replaced prefix', () => {
  it.each([
    ['/foo', '/xyz', '/xyz'],
    ['/foo/', '/xyz/', '/xyz'],
    ['/foo', '/xyz//', '/xyz'],
    ['/foo', 'xyz', '/xyz'],
    ['/', '/xyz', '/xyz/'],
  ])('of %s by %s is %s', (match, replacement, expected) => {
    expect(prefix(match, replacement)).toEqual({ prefixRewrite: expected })
  })

  it.each(['', '/', '//'])('of "/foo" by %j is taken off with the slashes after it', (replacement) => {
    expect(prefix('/foo', replacement)).toEqual({
      regexRewrite: { pattern: { regex: '^/foo/*' }, substitution: '/' },
    })
  })

  it('is taken literally where it becomes a pattern', () => {
    expect(prefix('/a.b+(c)$1', '')).toHaveProperty('regexRewrite.pattern.regex', '^/a\\.b\\+\\(c\\)\\$1/*')
  })

  it('of "/" by "/" changes nothing', () => {
    expect(prefix('/', '/')).toEqual({})
    expect(prefix('/', '')).toEqual({})
  })
})

describe('a replaced path', () => {
  it.each([
    ['/new', '/new'],
    ['new', '/new'],
    ['', '/'],
    ['/a\\1', '/a\\\\1'],
    ['/line\r\nend', '/line%0D%0Aend'],
    ['/caf\u00e9 \ud800', '/caf%C3%A9%20%EF%BF%BD'],
    ['/50%25', '/50%25'],
  ])('%j is substituted as %j', (path, substitution) => {
    expect(full(path)).toEqual({ regexRewrite: { pattern: { regex: '^/.*$' }, substitution } })
  })
})
