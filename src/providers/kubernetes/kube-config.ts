import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { KubeConfigError } from './api-access.ts'

type Fields = Readonly<Record<string, unknown>>

/** The cluster and the user of the current context. Paths are absolute. */
export interface KubeConfigContext {
  readonly server: string
  readonly tlsServerName: string | undefined
  readonly insecure: boolean
  readonly ca: FileOrText
  readonly cert: FileOrText
  readonly key: FileOrText
  readonly token: FileOrText
  readonly username: string | undefined
  readonly password: string | undefined
  readonly impersonateUser: string | undefined
  readonly impersonateGroups: readonly string[]
  /** Why the context needs more than files: a program or a provider that gives credentials, or a proxy. */
  readonly beyondFiles: 'exec' | 'auth-provider' | 'proxy-url' | undefined
}

/** A value that stands in the kubeconfig, or in a file that it names. */
export interface FileOrText {
  readonly text?: string | undefined
  readonly file?: string | undefined
}

/**
 * Reads the current context of kubeconfig files, as kubectl does: of several entries with one name the first
 * counts, and so does the first current-context.
 * @throws KubeConfigError
 */
export function parseKubeConfig(files: readonly { readonly path: string; readonly text: string }[]): KubeConfigContext {
  const parsed = files.map(({ path, text }) => ({ path, fields: parseFile(path, text) }))
  const paths = files.map(({ path }) => path).join(', ')
  const current = parsed.map(({ fields }) => fields['current-context']).find((name) => typeof name === 'string' && name)
  if (typeof current !== 'string') throw new KubeConfigError(`${paths}: current-context is missing`)

  const find = (list: string, entry: string, name: unknown): { path: string; fields: Fields } => {
    for (const { path, fields } of parsed) {
      const items = Array.isArray(fields[list]) ? (fields[list] as unknown[]) : []
      const item = items.filter(isFields).find((candidate) => candidate['name'] === name)
      if (item) return { path, fields: isFields(item[entry]) ? item[entry] : {} }
    }
    throw new KubeConfigError(`${paths}: ${list} has no "${String(name)}"`)
  }
  const context = find('contexts', 'context', current).fields
  const cluster = find('clusters', 'cluster', context['cluster'])
  const user = find('users', 'user', context['user'])

  const server = textOf(cluster.fields, 'server')
  if (server === undefined || !/^https?:\/\//.test(server))
    throw new KubeConfigError(`${cluster.path}: the server of cluster "${String(context['cluster'])}" is not a URL`)
  const beyondFiles = isFields(user.fields['exec'])
    ? 'exec'
    : isFields(user.fields['auth-provider'])
      ? 'auth-provider'
      : textOf(cluster.fields, 'proxy-url') !== undefined
        ? 'proxy-url'
        : undefined
  const groups = user.fields['as-groups']
  const tokenFile = textOf(user.fields, 'tokenFile')
  return {
    server: server.replace(/\/+$/, ''),
    tlsServerName: textOf(cluster.fields, 'tls-server-name'),
    insecure: cluster.fields['insecure-skip-tls-verify'] === true,
    ca: fileOrText(cluster, 'certificate-authority'),
    cert: fileOrText(user, 'client-certificate'),
    key: fileOrText(user, 'client-key'),
    token: tokenFile ? { file: resolve(dirname(user.path), tokenFile) } : { text: textOf(user.fields, 'token') },
    username: textOf(user.fields, 'username'),
    password: textOf(user.fields, 'password'),
    impersonateUser: textOf(user.fields, 'as'),
    impersonateGroups: Array.isArray(groups) ? groups.map(String) : [],
    beyondFiles,
  }
}

function parseFile(path: string, text: string): Fields {
  let value: unknown
  try {
    // Errors would quote the text, which holds credentials.
    value = parse(text, { prettyErrors: false, logLevel: 'error' })
  } catch {
    throw new KubeConfigError(`${path}: is not valid YAML`)
  }
  if (!isFields(value)) throw new KubeConfigError(`${path}: is not a kubeconfig`)
  return value
}

/** "certificate-authority" names a file, "certificate-authority-data" is base64, and the latter counts. */
function fileOrText({ path, fields }: { path: string; fields: Fields }, name: string): FileOrText {
  const data = textOf(fields, `${name}-data`)
  if (data !== undefined) return { text: Buffer.from(data, 'base64').toString('utf8') }
  const file = textOf(fields, name)
  return file === undefined ? {} : { file: resolve(dirname(path), file) }
}

function textOf(fields: Fields, name: string): string | undefined {
  const value = fields[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
