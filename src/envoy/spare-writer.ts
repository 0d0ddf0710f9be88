import { Writer } from 'protobufjs/minimal.js'

/** Longer memory is not kept. */
const mostKept = 64 * 1024

let spare: Writer | undefined

/**
 * A writer for a message of thousands: a writer of its own for each costs more than writing it. To be given back when
 * all is written; until somebody borrows it again, what `finish(true)` says, which is no copy, is good.
 */
export function borrowWriter(): Writer {
  const writer = spare?.reset() ?? Writer.create()
  spare = undefined
  return writer
}

/** Not called after a throw: what is half written is nobody's beginning. */
export function returnWriter(writer: Writer): void {
  if (writer.pos <= mostKept) spare = writer
}
