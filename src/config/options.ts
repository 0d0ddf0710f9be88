import { isIP } from 'node:net'
import {
  addressOption,
  choiceOption,
  integerOption,
  type Option,
  switchOption,
  textOption,
  UsageError,
} from './option.ts'

/** Manifests to read; every command that works offline has it. */
export const files: Option<readonly string[]> = {
  name: 'filename',
  short: 'f',
  value: 'PATH',
  repeated: true,
  help: 'Directory (searched for *.yaml, *.yml and *.json, also below), file, or - for standard input. May be given several times.',
  parse: (given) => {
    if (given.length === 0)
      throw new UsageError('nothing to read: give -f with a directory, a file, or - for standard input')
    return given
  },
}

export const controllerNames: Option<readonly string[]> = {
  name: 'controller-name',
  value: 'NAME',
  repeated: true,
  defaultText: 'gatewright.dev/gateway-controller',
  help: 'controllerName of the GatewayClasses to serve. May be given several times; the first one is written into statuses.',
  parse: (given) => (given.length > 0 ? given : ['gatewright.dev/gateway-controller']),
}

export const logLevel = choiceOption(
  'log-level',
  ['debug', 'info', 'warn', 'error'],
  'warn',
  'Least important log lines to write to standard error.',
)
export const logFormat = choiceOption(
  'log-format',
  ['text', 'json'],
  'text',
  'How log lines are written: for people, or one JSON object a line.',
)
export const help = switchOption('help', 'Shows this help.', 'h')

export const runOptions = {
  files,
  listenAddress: {
    ...textOption(
      'listen-address',
      'IP',
      '127.0.0.1',
      'Address that Gateways listen on. Use 0.0.0.0 to be reached from other machines. Gateways whose ports collide get 127.0.0.2 and so on.',
    ),
    parse: (given: readonly string[]) => {
      const address = given.at(-1) ?? '127.0.0.1'
      if (isIP(address) === 0) throw new UsageError(`--listen-address "${address}" is not an IP address`)
      return address
    },
  },
  envoy: {
    name: 'envoy',
    value: 'PATH',
    help: 'Envoy binary (1.38 to 1.40). Unless given: $GATEWRIGHT_ENVOY, then the one that "make deps" installed, then "envoy" on the PATH.',
    parse: (given) => given.at(-1),
  } satisfies Option<string | undefined>,
  envoyLogLevel: choiceOption(
    'envoy-log-level',
    ['trace', 'debug', 'info', 'warn', 'error', 'critical', 'off'],
    'warn',
    "Envoy's own log level.",
  ),
  concurrency: integerOption('concurrency', 'N', [1, 256], 2, 'Worker threads of each Envoy.'),
  strict: switchOption(
    'strict',
    'Makes Envoy refuse fields that it does not know instead of ignoring them; costs about a third more per table update.',
  ),
  tables: choiceOption(
    'tables',
    ['auto', 'always', 'never'],
    'auto',
    'Whether the routes of a port are divided into scoped tables, which makes an edit of a large port cheap and each request a little dearer. auto: from 2000 hosts on.',
  ),
  adminAddress: addressOption(
    'admin-address',
    '127.0.0.1:19001',
    'Where "gatewright proxy-status" asks, and /metrics is served; another port if this one is taken. No secret can be read there.',
  ),
  readyFile: {
    name: 'ready-file',
    value: 'PATH',
    help: 'Writes a JSON file with Gateways, URLs and admin addresses whenever they change, for scripts that wait.',
    parse: (given) => given.at(-1),
  } satisfies Option<string | undefined>,
  controllerNames,
  logLevel,
  logFormat,
  help,
}

export const resourceTypes = ['listener', 'route', 'cluster', 'endpoint', 'secret'] as const

export const translateOptions = {
  files,
  output: choiceOption('output', ['yaml', 'json'], 'yaml', 'Output format.', 'o'),
  type: {
    name: 'type',
    value: resourceTypes.join('|'),
    repeated: true,
    help: 'Only resources of this type. May be given several times.',
    parse: (given) => {
      for (const type of given)
        if (!resourceTypes.includes(type as never))
          throw new UsageError(`--type "${type}" is unknown: use ${resourceTypes.join(', ')}`)
      return given as readonly (typeof resourceTypes)[number][]
    },
  } satisfies Option<readonly (typeof resourceTypes)[number][]>,
  controllerNames,
  help,
}

export const statusOptions = {
  files,
  output: choiceOption('output', ['table', 'yaml', 'json'], 'table', 'Output format.', 'o'),
  controllerNames,
  help,
}

export const proxyStatusOptions = {
  server: {
    ...textOption('server', 'URL', 'http://127.0.0.1:19001', 'Admin port of the running control plane.'),
    parse: (given: readonly string[]) => {
      const url = given.at(-1) ?? 'http://127.0.0.1:19001'
      if (!/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
        throw new UsageError(`--server "${url}" is not a URL such as http://127.0.0.1:19001`)
      return url.replace(/\/+$/, '')
    },
  },
  output: choiceOption('output', ['table', 'yaml', 'json'], 'table', 'Output format.', 'o'),
  help,
}

export const versionOptions = {
  output: choiceOption('output', ['text', 'json'], 'text', 'Output format.', 'o'),
  envoy: runOptions.envoy,
  help,
}
