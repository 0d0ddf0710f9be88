import { describe, expect, test } from 'vitest'
import { recordTerminal } from '../testing/recording-terminal.ts'
import { formatTable, printable, styled } from './terminal.ts'

describe('styled text', () => {
  test('has colours for people', () => {
    expect(styled(recordTerminal(true), 'red', 'bad')).toBe('\u001b[31mbad\u001b[0m')
  })

  test('has none for scripts', () => {
    expect(styled(recordTerminal(false), 'red', 'bad')).toBe('bad')
  })
})

describe('text of others', () => {
  test('cannot move the cursor or clear the screen', () => {
    expect(printable('a\u001b[2Jb\u0007c\u009bd\u007f\r')).toBe('a\ufffd[2Jb\ufffdc\ufffdd\ufffd\ufffd')
  })

  test('keeps tabs, line ends and other alphabets', () => {
    expect(printable('a\tb\nçé 東京')).toBe('a\tb\nçé 東京')
  })
})

describe('a table', () => {
  test('is padded to its widest cells, without blanks at the ends of lines', () => {
    expect(
      formatTable(
        ['A', 'LONG', 'C'],
        [
          ['wide', 'x', ''],
          ['y', '', 'z'],
        ],
      ),
    ).toBe(['A     LONG  C', 'wide  x', 'y           z', ''].join('\n'))
  })

  test('has its header alone without rows', () => {
    expect(formatTable(['A', 'B'], [])).toBe('A  B\n')
  })

  test('shows what cells say and nothing that they do', () => {
    expect(formatTable(['A'], [['x\u001b[31m']])).toBe('A\nx\ufffd[31m\n')
  })
})
