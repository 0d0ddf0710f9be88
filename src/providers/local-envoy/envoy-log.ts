import type { LogFields, Logger } from '../../base/logger.ts'

/** For Envoy's `--log-format`: level, logger, and the message with its newlines escaped. */
export const envoyLogFormat = '%l|%n|%_'

type LogMethod = Exclude<keyof Logger, symbol>

const methods: Readonly<Record<string, LogMethod>> = {
  trace: 'debug',
  debug: 'debug',
  info: 'info',
  warning: 'warn',
  error: 'error',
  critical: 'error',
}

/** True in every standalone run, and nothing that anybody could act on. */
const ordinary = [
  // Envoy looks for the control plane before it listens, and again after its restart.
  /^DeltaAggregatedResources gRPC config stream to xds closed/,
  /^caught (ENVOY_)?SIGTERM/,
]

/** Writes a line of Envoy's log to ours, at its own level. What is not in our format comes from a crash. */
export function relayEnvoyLine(line: string, logger: Logger, fields: LogFields): void {
  if (line.trim() === '') return
  const [, level = 'error', name = 'process', message = line] = /^([a-z]+)\|([^|]*)\|(.*)$/.exec(line) ?? []
  const method = ordinary.some((pattern) => pattern.test(message)) ? 'debug' : (methods[level] ?? 'error')
  logger[method](`Envoy: ${message}`, { ...fields, envoyLogger: name })
}
