import { expect, test } from 'vitest'
import { checkLabelSelector, matchesLabels } from './label-selector.ts'

const need = (key: string, operator: string, values?: string[]) => ({ matchExpressions: [{ key, operator, values }] })

test.each([
  [{}, {}, true],
  [{ matchLabels: { a: '1' } }, { a: '1', b: '2' }, true],
  [{ matchLabels: { a: '1' } }, { a: '2' }, false],
  [{ matchLabels: { a: '1' } }, {}, false],
  [{ matchLabels: { constructor: 'x' } }, {}, false],
  [need('a', 'In', ['1', '2']), { a: '2' }, true],
  [need('a', 'In', ['1']), {}, false],
  [need('a', 'NotIn', ['1']), {}, true],
  [need('a', 'NotIn', ['1']), { a: '1' }, false],
  [need('a', 'Exists'), { a: '' }, true],
  [need('toString', 'Exists'), {}, false],
  [need('a', 'DoesNotExist'), {}, true],
  [need('a', 'Near'), { a: '1' }, false],
])('%j selects %j: %s', (selector, labels, expected) => {
  expect(matchesLabels(selector, labels)).toBe(expected)
})

test.each<[object, string | undefined]>([
  [need('a', 'Exists'), undefined],
  [need('a', 'Near'), 'operator "Near"'],
  [need('a', 'In'), 'needs values'],
  [need('a', 'Exists', ['1']), 'takes no values'],
])('%j is checked', (selector, message) => {
  const problem = checkLabelSelector(selector)
  if (message === undefined) expect(problem).toBeUndefined()
  else expect(problem).toContain(message)
})
