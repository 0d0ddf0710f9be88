/** Values that a log line carries beside its sentence. Never a secret. */
export type LogFields = Readonly<Record<string, unknown>>

/** Where the rooms report to. `info` speaks to operators, `debug` to developers. */
export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

/** Says nothing; for tests and for commands whose output is their result. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} }
