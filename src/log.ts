import type { LogFields, Logger } from './base/logger.ts'

const levels = ['debug', 'info', 'warn', 'error'] as const
type Level = (typeof levels)[number]

/** Writes one line per entry: JSON for machines, or a sentence with its fields for people. */
export function createLogger(least: Level, format: 'text' | 'json', write: (text: string) => void): Logger {
  const log =
    (level: Level) =>
    (message: string, fields: LogFields = {}) => {
      if (levels.indexOf(level) < levels.indexOf(least)) return
      const time = new Date().toISOString()
      write(
        format === 'json'
          ? `${stringify({ time, level, message, ...fields })}\n`
          : formatText(time, level, message, fields),
      )
    }
  return { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
}

function stringify(value: unknown): string {
  return JSON.stringify(value, (_key, v: unknown) =>
    v instanceof Error ? (v.stack ?? v.message) : typeof v === 'bigint' ? String(v) : v,
  )
}

/** JSON around the values keeps line breaks and escape sequences of others out of the log. */
function formatText(time: string, level: Level, message: string, fields: LogFields): string {
  const told = Object.entries(fields).map(([key, value]) => ` ${key}=${stringify(value)}`)
  return `${time.slice(11, 23)} ${level.toUpperCase().padEnd(5)} ${message}${told.join('')}\n`
}
