import type { Command } from './command.ts'
import type { TranslateOffline } from './offline.ts'
import { type ProxyStatusPorts, proxyStatusCommand } from './proxy-status.ts'
import { type RunPorts, runCommand } from './run.ts'
import { type ServePorts, serveCommand } from './serve.ts'
import { statusCommand } from './status.ts'
import { translateCommand } from './translate.ts'
import { type FindVersions, versionCommand } from './version.ts'

/** What the commands are handed by the composition root. */
export interface CommandPorts {
  readonly run: RunPorts
  readonly serve: ServePorts
  readonly translate: TranslateOffline
  readonly proxyStatus: ProxyStatusPorts
  readonly findVersions: FindVersions
}

/** Every command, in the order of the help. */
export function createCommands({ run, serve, translate, proxyStatus, findVersions }: CommandPorts): readonly Command[] {
  return [
    runCommand(run),
    serveCommand(serve),
    translateCommand(translate),
    statusCommand(translate),
    proxyStatusCommand(proxyStatus),
    versionCommand(findVersions),
  ]
}
