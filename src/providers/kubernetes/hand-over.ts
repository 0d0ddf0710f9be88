import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { type NamespacedName, splitNamespacedName } from '../../gatewayapi/object-key.ts'
import type { InfrastructureProblem } from '../../infrastructure/applier.ts'
import { earlierClassTime } from '../../infrastructure/infrastructure-options.ts'
import { gatewayClassNameLabel } from '../../infrastructure/labels.ts'
import type { InfrastructureKind, Manifest } from '../../infrastructure/manifest.ts'
import { infrastructureName, labelValue } from '../../infrastructure/names.ts'
import type { ProxyFleet } from '../../infrastructure/proxy-fleet.ts'
import type { ServicePlan } from '../../infrastructure/service-plan.ts'
import { asObject } from './json.ts'
import type { LiveObject } from './live-object.ts'

export interface HandOverOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Told when something may go that had to stay. */
  readonly onDue: (gateway: NamespacedName) => void
}

/** What has become of the objects of earlier classes. */
export interface HandOverStep {
  /** To be deleted now. */
  readonly due: readonly LiveObject[]
  readonly problems: readonly InfrastructureProblem[]
}

/** These run pods or concern nothing else; the others are also there for those who have not noticed yet. */
const goWithPods: readonly InfrastructureKind[] = ['Deployment', 'HorizontalPodAutoscaler', 'PodDisruptionBudget']

interface Waiting {
  /** What the log was told last. */
  readonly told: string
  /** By uid: when it was first seen to be needed by nobody. */
  readonly idleSince: Map<string, number>
  readonly cancelTimer?: () => void
}

/**
 * Decides how long what was made for a Gateway stays when the Gateway gets another class of ours, and with it other
 * names for everything (docs/adr/0015-change-of-class.md). What there is to remember is in the cluster: whoever
 * begins anew keeps things longer, never shorter, and forgets none.
 */
export class HandOver {
  readonly #options: HandOverOptions
  readonly #waiting = new Map<NamespacedName, Waiting>()

  constructor(options: HandOverOptions) {
    this.#options = options
  }

  /** Gateways that have something of an earlier class. */
  get size(): number {
    return this.#waiting.size
  }

  /**
   * @param earlier what is there of earlier classes, but for the Services that are still planned
   * @param deployment what the pods come from now
   */
  step(
    fleet: ProxyFleet,
    earlier: readonly LiveObject[],
    deployment: LiveObject | undefined,
    plans: readonly ServicePlan[],
  ): HandOverStep {
    const left = earlier.filter(({ isDeleting }) => !isDeleting)
    const isPlanned = plans.some((plan) => plan.isOfEarlierClass)
    if (left.length === 0 && !isPlanned) {
      this.forget(fleet.key)
      return { due: [], problems: [] }
    }
    const name = infrastructureName(fleet)
    if (!hasEnoughPods(fleet, deployment)) {
      const what = `Deployment "${name}" to be ready`
      this.#wait(fleet.key, what, new Map())
      const isRunning = left.some(({ kind }) => kind === 'Deployment')
      return { due: [], problems: isRunning ? [this.pending(fleet, `waiting for ${what}`)] : [] }
    }
    const now = this.#options.clock.now()
    const before = this.#waiting.get(fleet.key)?.idleSince
    const idleSince = new Map<string, number>()
    const due: LiveObject[] = []
    for (const object of left) {
      const since = before?.get(object.uid) ?? now
      if (goWithPods.includes(object.kind) || now - since >= earlierClassTime) due.push(object)
      else idleSince.set(object.uid, since)
    }
    const what = isPlanned ? `an address of Service "${name}"` : 'clients to learn of the new address'
    if (isPlanned || idleSince.size > 0) this.#wait(fleet.key, what, idleSince)
    else this.forget(fleet.key)
    return { due, problems: [] }
  }

  /** What runs stays, for a reason that the Gateway is to tell. */
  pending({ key }: Pick<ProxyFleet, 'key'>, reason: string): InfrastructureProblem {
    const { name } = splitNamespacedName(key)
    const message = `${reason}: until then what Gateway "${name}" had for another class serves`
    return { on: 'gatewright.dev/InfrastructureComplete', reason: 'Pending', message }
  }

  forget(gateway: NamespacedName): void {
    this.#waiting.get(gateway)?.cancelTimer?.()
    this.#waiting.delete(gateway)
  }

  clear(): void {
    for (const gateway of [...this.#waiting.keys()]) this.forget(gateway)
  }

  #wait(gateway: NamespacedName, told: string, idleSince: Map<string, number>): void {
    const { clock, logger, onDue } = this.#options
    const before = this.#waiting.get(gateway)
    before?.cancelTimer?.()
    if (before?.told !== told)
      logger.info('What a Gateway had for another class stays for now', { gateway, waitingFor: told })
    const first = Math.min(...idleSince.values())
    const cancelTimer =
      idleSince.size > 0 ? clock.after(first + earlierClassTime - clock.now(), () => onDue(gateway)) : undefined
    this.#waiting.set(gateway, { told, idleSince, ...(cancelTimer && { cancelTimer }) })
  }
}

/** Made when the Gateway had another class. The label alone does not say it of what has the name of this one. */
export function isOfEarlierClass({ key, content }: LiveObject, fleet: Pick<ProxyFleet, 'key' | 'className'>): boolean {
  if (splitNamespacedName(key).name === infrastructureName(fleet)) return false
  return asObject(asObject(content['metadata'])['labels'])[gatewayClassNameLabel] !== labelValue(fleet.className)
}

/**
 * Where an autoscaler decides how many pods there are, those of the new class are to be as many as serve now: they
 * share the load with these, so that it alone would never ask for so many, and have it all when these have gone.
 */
export function raiseMinimum(fleet: ProxyFleet, earlier: readonly LiveObject[]): ProxyFleet {
  const { minReplicas = 1, maxReplicas } = fleet.parameters ?? {}
  const serving = earlier.reduce((sum, { isDeleting, readyPods }) => sum + (isDeleting ? 0 : readyPods), 0)
  if (maxReplicas === undefined || serving <= minReplicas) return fleet
  return { ...fleet, parameters: { ...fleet.parameters, minReplicas: Math.min(serving, maxReplicas) } }
}

/** As many as are asked for, and at least one; an autoscaler needs a moment to raise a new Deployment to its minimum. */
function hasEnoughPods({ parameters = {} }: ProxyFleet, deployment: LiveObject | undefined): boolean {
  if (!deployment || deployment.isDeleting) return false
  const { replicas } = asObject(deployment.content['spec'])
  const fewest = parameters.maxReplicas === undefined ? 1 : (parameters.minReplicas ?? 1)
  return deployment.readyPods >= Math.max(1, fewest, typeof replicas === 'number' ? replicas : 1)
}

const trustKey = 'xds-trust.json'

/**
 * Proxies of an earlier class must go on knowing the control plane when its authority changes.
 * @param current the ConfigMap of the class that the Gateway has now
 * @returns undefined: nothing is to be done
 */
export function renewTrust({ kind, key, content }: LiveObject, current: Manifest): Manifest | undefined {
  if (kind !== 'ConfigMap') return undefined
  const data = asObject(content['data'])
  const trust = asObject(current['data'])[trustKey]
  if (data[trustKey] === trust) return undefined
  const labels = asObject(asObject(content['metadata'])['labels']) as Manifest['metadata']['labels']
  const { name } = splitNamespacedName(key)
  return { ...current, metadata: { ...current.metadata, name, labels }, data: { ...data, [trustKey]: trust } }
}
