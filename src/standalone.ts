import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from './base/clock.ts'
import type { Logger } from './base/logger.ts'
import type { RunView, Standalone } from './cli/run.ts'
import { type ControlPlane, createServingControlPlane, type ServingControlPlane } from './control-plane.ts'
import { defaultTablePolicy, type TablePolicy } from './envoy/table-form.ts'
import { deriveLocalBinding } from './infrastructure/local-binding.ts'
import { createSink } from './object-sink.ts'
import { FileProvider } from './providers/file/file-provider.ts'
import { type FileReport, formatProblem } from './providers/file/report.ts'
import { findEnvoy } from './providers/local-envoy/envoy-binary.ts'
import { LocalEnvoy } from './providers/local-envoy/local-envoy.ts'
import { LocalProxies } from './providers/local-envoy/local-proxies.ts'
import { probeBind } from './providers/local-envoy/port-binding.ts'
import { createRunView } from './run-view.ts'
import { createTokenAuthenticator } from './xds/authenticator.ts'
import { listProxyStatuses } from './xds/proxy-status.ts'

export interface StandaloneOptions {
  readonly files: readonly string[]
  readonly listenAddress: string
  /** Envoy binary; looked for unless given. */
  readonly envoy: string | undefined
  readonly envoyLogLevel: string
  readonly concurrency: number
  /** Envoy refuses unknown fields. */
  readonly strict: boolean
  readonly controllerNames: readonly string[]
  /** Whether large tables are divided. */
  readonly tables: TablePolicy['tables']
  /** Instead of the default size from which tables are divided; for tests. */
  readonly divideFrom?: number
  readonly logger: Logger
  /** Where Envoy's own lines go; `logger` unless given. */
  readonly envoyLogger?: Logger
  /** Told about problems of files, once each. */
  readonly onFileProblem: (text: string) => void
  /** Of the admin port; without it there is none. */
  readonly adminAddress?: string
}

/**
 * Starts everything that serves manifests on this machine: the file provider, the control plane, and an
 * Envoy for each Gateway, connected over a socket that only this user can open.
 * @throws when there is no usable Envoy or nothing to read
 */
export async function startStandalone(options: StandaloneOptions): Promise<Standalone> {
  const { logger } = options
  const clock = systemClock
  const binary = await findEnvoy(options.envoy)
  const directory = await mkdtemp(join(tmpdir(), 'gatewright-'))
  const tokens = new Map<string, string>()
  const authenticator = createTokenAuthenticator(() => tokens)
  const controlPlane = createServingControlPlane({
    controllerNames: options.controllerNames,
    logger,
    clock,
    authenticator,
    tablePolicy: {
      tables: options.tables,
      divideFrom: options.divideFrom ?? defaultTablePolicy.divideFrom,
    },
  })
  const { scheduler, sources, fleets, xds } = controlPlane
  const socket = join(directory, 'xds.sock')
  await xds.listen(`unix:${socket}`)

  const provider = new FileProvider(createSink(controlPlane), {
    paths: options.files,
    logger,
    onReport: reportOnce(options.onFileProblem),
  })
  await provider.watch()
  // What was read at first is a whole, and only a whole may be served: until now nothing was answered.
  xds.markSynced()

  const proxies = new LocalProxies({
    fleets,
    listenAddress: options.listenAddress,
    probe: probeBind,
    clock,
    logger,
    start: async (gateway) => {
      const token = randomBytes(32).toString('base64url')
      tokens.set(gateway, token)
      const envoy = new LocalEnvoy({
        binary,
        nodeId: gateway,
        xds: { unixPath: socket, token },
        concurrency: options.concurrency,
        logLevel: options.envoyLogLevel,
        strict: options.strict,
        logger: options.envoyLogger ?? logger,
        clock,
      })
      await envoy.start()
      return envoy
    },
    bind: (gateway, plan) => {
      scheduler.batch(() => {
        if (plan) sources.bindings.set(gateway, deriveLocalBinding(plan, fleets.get(gateway)?.addresses ?? []))
        else {
          tokens.delete(gateway)
          sources.bindings.delete(gateway)
        }
      })
    },
  })

  const admin = options.adminAddress === undefined ? undefined : startAdmin(options.adminAddress, controlPlane, options)
  const listeners = new Set<() => void>()
  notifyOnChange(controlPlane, () => {
    for (const listener of listeners) listener()
  })
  return {
    view: (): RunView => createRunView(controlPlane, (gateway) => proxies.adminUrl(gateway)),
    onChange: (listener) => void listeners.add(listener),
    async stop() {
      listeners.clear()
      provider.close()
      await (await admin)?.close()
      await proxies.stop()
      await xds.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Nothing depends on it: a port that is taken, by another Gatewright for one, is replaced by a free one. */
async function startAdmin(address: string, { scheduler, xds }: ServingControlPlane, { logger }: StandaloneOptions) {
  // Envoy starts meanwhile; nobody waits for this.
  const { createAdminServer } = await import('./admin/server.ts')
  const { createProcessMetrics } = await import('./admin/process-metrics.ts')
  const { createXdsMetrics } = await import('./admin/xds-metrics.ts')
  const serve = async (at: string) => {
    const admin = createAdminServer({
      address: at,
      ready: () => ({ ready: true, reasons: [] }),
      metrics: [...createProcessMetrics(), ...createXdsMetrics(xds.counters)],
      collections: scheduler,
      proxies: () => listProxyStatuses(xds.streams, { monotonic: systemClock.now(), date: Date.now() }),
      logger,
    })
    logger.info('Serving "gatewright proxy-status" and metrics', { address: await admin.listen() })
    return admin
  }
  try {
    return await serve(address)
  } catch (error) {
    logger.warn('The admin port cannot be had; another one is taken', { address, error })
    return serve(address.replace(/\d+$/, '0')).catch((failure: unknown) => {
      logger.error('There is no admin port', { error: failure })
      return undefined
    })
  }
}

/** A problem is told when it appears, not with every look at the files. */
function reportOnce(tell: (text: string) => void): (report: FileReport) => void {
  let told = new Set<string>()
  return ({ problems }) => {
    const now = new Set(problems.map(formatProblem))
    for (const text of now) if (!told.has(text)) tell(text)
    told = now
  }
}

/** Many collections change in one batch; people are told once, when the task is over. */
function notifyOnChange({ statuses, graph }: ControlPlane, notify: () => void): void {
  let pending = false
  const soon = () => {
    if (pending) return
    pending = true
    setImmediate(() => {
      pending = false
      notify()
    })
  }
  statuses.gatewayClasses.subscribe(soon)
  statuses.gateways.subscribe(soon)
  statuses.listenerSets.subscribe(soon)
  statuses.backendTLSPolicies.subscribe(soon)
  statuses.xBackends.subscribe(soon)
  statuses.xBackendTrafficPolicies.subscribe(soon)
  statuses.xTelemetryPolicies.subscribe(soon)
  for (const routes of Object.values(statuses.routes)) routes.subscribe(soon)
  graph.bindings.subscribe(soon)
}
