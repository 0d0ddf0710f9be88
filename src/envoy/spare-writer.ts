import { Writer } from 'protobufjs/minimal.js'

/** Longer memory is not kept. */
const mostKept = 64 * 1024

let spare: Writer | undefined

/**
 * Writes a message of thousands: a writer of its own for each costs more than writing it.
 * @param write gets a writer that is empty. What `finish(true)` says, which is no copy, is good until it returns.
 */
export function withWriter<T>(write: (writer: Writer) => T): T {
  const writer = spare?.reset() ?? Writer.create()
  // Whoever writes within it gets another one; and after a throw, what is half written is nobody's beginning.
  spare = undefined
  const written = write(writer)
  if (writer.pos <= mostKept) spare = writer
  return written
}
