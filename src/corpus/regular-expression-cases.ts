import { type BadCase, refusedByCheck, refusedBySchema, routeCase, ruleCase, translated } from './bad-case.ts'

const pathRule = (value: string) => ({ matches: [{ path: { type: 'RegularExpression', value } }] })
const headerRule = (value: string) => ({ matches: [{ headers: [{ type: 'RegularExpression', name: 'x-a', value }] }] })
const queryRule = (value: string) => ({ matches: [{ queryParams: [{ type: 'RegularExpression', name: 'a', value }] }] })

const refused = (...told: string[]) => refusedByCheck('Accepted=False UnsupportedValue', ...told)

/** Patterns: one that RE2 does not take, or that is too large for it, costs a whole table. */
export const regularExpressionCases: readonly BadCase[] = [
  ruleCase('regex-look-ahead', 'look-ahead, which RE2 does not know, in a path', pathRule('/(?=x)'), refused()),
  ruleCase('regex-look-behind', 'look-behind in a header', headerRule('(?<=a)b'), refused()),
  ruleCase('regex-negative', 'negative look-ahead in a query parameter', queryRule('(?!a)b'), refused()),
  ruleCase('regex-back-reference', 'a back-reference', headerRule('(a)\\1'), refused()),
  ruleCase('regex-unbalanced', 'an open group', queryRule('a('), refused()),
  ruleCase('regex-open-class', 'an open class', pathRule('/[a'), refused()),
  ruleCase('regex-lone-star', 'a repeat of nothing', pathRule('*'), refused()),
  ruleCase('regex-possessive', 'a possessive repeat', pathRule('/a++'), refused()),
  ruleCase('regex-atomic', 'an atomic group', pathRule('/(?>a)'), refused()),
  ruleCase('regex-conditional', 'a conditional of Perl', pathRule('/(?(1)a|b)'), refused()),
  ruleCase('regex-trailing-backslash', 'a backslash at the end', pathRule('/a\\'), refused()),
  ruleCase('regex-twice-named', 'two groups of one name', pathRule('/(?P<n>a)(?P<n>b)'), refused()),
  ruleCase('regex-unknown-class', 'a Unicode class that does not exist', pathRule('/\\p{Klingon}'), refused()),
  ruleCase(
    'regex-young-script',
    'a script that is younger than the Unicode tables of RE2',
    pathRule('/\\p{Garay}'),
    refused(),
  ),
  ruleCase(
    'regex-property',
    'a property of Unicode, which RE2 has never known',
    headerRule('\\p{Alphabetic}+'),
    refused('does not know the class'),
  ),
  ruleCase(
    'regex-wide-escape',
    'an escape above a byte, where Envoy compares bytes',
    headerRule('[\\x{4e00}-\\x{9fff}]'),
    refused('write the character itself'),
  ),
  ruleCase(
    'regex-octal-escape',
    'an octal escape above a byte',
    headerRule('\\777'),
    refused('write the character itself'),
  ),
  ruleCase('regex-any-byte', 'the escape for one byte, which splits characters', pathRule('/\\C'), refused()),
  ruleCase('regex-huge-count', 'a count above 1,000', pathRule('/a{1001}'), refused()),
  ruleCase(
    'regex-program',
    'a program of a million instructions in 15 characters',
    pathRule('/(\\pL{30}){30}'),
    refused(),
  ),
  ruleCase('regex-nested-counts', 'counts of counts of counts', headerRule('((a{100}){100}){100}'), refused()),
  ruleCase('regex-hidden-count', 'a count behind a quote of nothing', headerRule('\\PN\\Q\\E{1000}'), refused()),
  ruleCase('regex-folded-program', 'a program that is large only without case', pathRule('/(?i)\\pL{4}'), refused()),
  ruleCase(
    'regex-just-too-large',
    'a program a little above the limit of the proxies',
    headerRule('[^/]{700}'),
    refused(),
  ),
  ruleCase('regex-long-header', 'a header pattern of 4,000 characters', headerRule('a'.repeat(4000)), refused()),
  ruleCase(
    'regex-long-path',
    'a path pattern of 1,025 characters',
    pathRule('a'.repeat(1025)),
    refusedBySchema('too long'),
  ),
  ruleCase('regex-empty', 'a pattern without a character, which the Envoy API refuses', pathRule(''), refused()),
  ruleCase(
    'regex-deep-groups',
    '511 groups inside of each other',
    pathRule(`${'('.repeat(511)}${')'.repeat(511)}`),
    translated('"regex":"(((('),
  ),
  ruleCase(
    'regex-many-groups',
    '340 empty groups beside each other',
    pathRule('()'.repeat(340)),
    translated('"regex":"()()'),
  ),
  ruleCase('regex-nul', 'a NUL in a pattern', pathRule('/a\u0000b'), translated()),
  ruleCase(
    'regex-half-character',
    'half of a surrogate pair, which is no UTF-8',
    pathRule('/\ud800'),
    translated('"regex":"/\ufffd"'),
  ),
  ruleCase('regex-line-end', 'a line end in a pattern', pathRule('/a\nb'), translated()),
  ruleCase(
    'regex-catastrophic',
    'a pattern on which backtracking takes for ever',
    headerRule('(a+)+$'),
    translated('"regex":"(a+)+$"'),
  ),
  routeCase(
    'regex-crowd',
    '128 patterns just below the limit in one route',
    {
      rules: [0, 1].map((rule) => ({
        matches: Array.from({ length: 64 }, (_, i) => ({
          path: { type: 'RegularExpression', value: `/${rule}-${i}/[^/]{400}` },
        })),
      })),
    },
    translated('[^/]{400}'),
  ),
]
