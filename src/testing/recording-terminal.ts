import type { Terminal } from '../cli/terminal.ts'

/** A terminal that remembers what was written to it. */
export interface RecordingTerminal extends Terminal {
  output(): string
  errors(): string
}

export function recordTerminal(interactive = false): RecordingTerminal {
  let out = ''
  let err = ''
  return {
    out: (text) => {
      out += text
    },
    err: (text) => {
      err += text
    },
    interactive,
    output: () => out,
    errors: () => err,
  }
}
