import { writeFileSync } from 'node:fs'
import process from 'node:process'
import { runCommandLine } from './cli/command.ts'
import { createCommands } from './cli/commands.ts'
import type { Terminal } from './cli/terminal.ts'
import { createLogger } from './log.ts'
import { findVersions } from './versions.ts'

const terminal: Terminal = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  interactive: process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined,
}

/** The first signal asks us to end; a second one does not wait. */
function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false
    const ask = () => {
      if (asked) process.exit(130)
      asked = true
      resolve()
    }
    process.on('SIGINT', ask)
    process.on('SIGTERM', ask)
  })
}

const commands = createCommands({
  run: {
    start: async ({ logLevel, logFormat, ...options }) => {
      const { startStandalone } = await import('./standalone.ts')
      return startStandalone({
        ...options,
        logger: createLogger(logLevel, logFormat, terminal.err),
        // Who asks Envoy to say more wants to see it, whatever we say ourselves.
        envoyLogger: createLogger(options.envoyLogLevel === 'warn' ? logLevel : 'debug', logFormat, terminal.err),
        onFileProblem: (text) => terminal.err(`${text}\n`),
      })
    },
    untilSignal,
    writeFile: (path, text) => writeFileSync(path, text),
  },
  serve: {
    start: async ({ logLevel, logFormat, ...options }) => {
      // Nobody else pays for what only a cluster needs.
      const { startCluster } = await import('./kubernetes.ts')
      return startCluster({ ...options, logger: createLogger(logLevel, logFormat, terminal.err) })
    },
    untilSignal,
  },
  translate: async (...asked) => (await import('./offline.ts')).translateOffline(...asked),
  proxyStatus: {
    get: async (url) => {
      const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) }).catch((error: unknown) => {
        // The reason of a failed fetch is one level down.
        throw error instanceof Error && error.cause instanceof Error ? error.cause : error
      })
      return { status: answer.status, body: await answer.text() }
    },
    now: () => Date.now(),
  },
  findVersions,
})

// Not awaited: the bundle is no module, and has no top level that waits.
void runCommandLine(commands, process.argv.slice(2), terminal).then((code) => {
  process.exitCode = code
})
