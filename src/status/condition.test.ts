import { describe, expect, test } from 'vitest'
import {
  gatewayClassConditions,
  gatewayConditions,
  listenerConditions,
  routeConditions,
} from '../gatewayapi/conditions.ts'
import type { Problem } from '../graph/problem.ts'
import { buildConditions, type ConditionRule, truncateMessage } from './condition.ts'

const accepted: ConditionRule = {
  type: 'Accepted',
  success: { status: 'True', reason: 'Accepted', message: 'good' },
  rank: ['First', 'Second'],
}
const conflicted: ConditionRule = {
  type: 'Conflicted',
  success: { status: 'False', reason: 'NoConflicts', message: 'alone' },
  rank: ['HostnameConflict'],
}
const partially: ConditionRule = {
  type: 'PartiallyInvalid',
  success: { status: 'False', reason: 'Valid', message: '' },
  rank: [],
  optional: true,
}
const problem = (reason: string, fields: Partial<Problem> = {}): Problem => ({
  on: 'Accepted',
  reason,
  message: `${reason} happened`,
  ...fields,
})
const build = (problems: readonly Problem[], withPaths = false) =>
  buildConditions([accepted, conflicted, partially], problems, 7, withPaths)

describe('conditions', () => {
  test('without problems are the successes of the table, with the generation', () => {
    expect(build([])).toEqual([
      { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'good', observedGeneration: 7 },
      { type: 'Conflicted', status: 'False', reason: 'NoConflicts', message: 'alone', observedGeneration: 7 },
    ])
  })

  test('turn the other way where False is good', () => {
    const [, condition] = build([problem('HostnameConflict', { on: 'Conflicted' })])
    expect(condition).toMatchObject({ status: 'True', reason: 'HostnameConflict', observedGeneration: 7 })
  })

  test('that are optional appear with a problem only, as True', () => {
    expect(build([problem('UnsupportedValue', { on: 'PartiallyInvalid' })])[2]).toMatchObject({
      type: 'PartiallyInvalid',
      status: 'True',
      reason: 'UnsupportedValue',
    })
  })

  test('tell the reason that ranks first, and all that was said about it', () => {
    const [condition] = build([
      problem('Unranked'),
      problem('Second', { message: 'b' }),
      problem('First', { message: 'a' }),
      problem('First', { message: 'c' }),
      problem('First', { message: 'a' }),
    ])
    expect(condition).toMatchObject({ status: 'False', reason: 'First', message: 'a; c' })
  })

  test('put an unranked reason behind every ranked one', () => {
    expect(build([problem('Unranked'), problem('Second')])[0]?.reason).toBe('Second')
    expect(build([problem('Unranked')])[0]).toMatchObject({ status: 'False', reason: 'Unranked' })
  })

  test('do not depend on the order of problems of different reasons', () => {
    const several = [problem('Second'), problem('First'), problem('Unranked')]
    expect(build([...several].reverse())[0]).toEqual(build(several)[0])
  })

  test('are Unknown when nobody could be asked, and False when somebody said no', () => {
    expect(build([problem('First', { unknown: true })])[0]?.status).toBe('Unknown')
    expect(build([problem('First', { unknown: true }), problem('First')])[0]?.status).toBe('False')
  })

  test('name the field where that helps', () => {
    const one = problem('First', { path: 'spec.rules[1]' })
    expect(build([one], true)[0]?.message).toBe('spec.rules[1]: First happened')
    expect(build([one], false)[0]?.message).toBe('First happened')
  })

  test('ignore problems of other types', () => {
    expect(build([problem('X', { on: 'ResolvedRefs' })])).toEqual(build([]))
  })
})

describe('a message', () => {
  test('has at most 1024 characters, because objects have a size limit', () => {
    expect(truncateMessage('a'.repeat(1024))).toHaveLength(1024)
    const long = truncateMessage('a'.repeat(5000))
    expect(long).toHaveLength(1024)
    expect(long.endsWith('aaa...')).toBe(true)
  })

  test('of many problems together is cut as well', () => {
    const many = Array.from({ length: 100 }, (_, i) => problem('First', { message: `${i}: ${'x'.repeat(50)}` }))
    expect(build(many)[0]?.message.length).toBeLessThanOrEqual(1024)
  })
})

test('the tables of the specification have the reasons that the tests of this room ask for', () => {
  expect(gatewayConditions.Accepted.True).toContain('ListenersNotValid')
  expect(listenerConditions.ResolvedRefs.False).toContain('RefNotPermitted')
  expect(routeConditions.ResolvedRefs.False).toContain('BackendNotFound')
  expect(gatewayClassConditions.Accepted.False).toContain('InvalidParameters')
})
