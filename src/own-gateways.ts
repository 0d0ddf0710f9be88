import type { KubernetesObject } from './gatewayapi/kinds.ts'
import { type NamespacedName, namespacedName } from './gatewayapi/object-key.ts'
import type { Gateway } from './gatewayapi/objects/gateway.ts'
import type { GatewayClass } from './gatewayapi/objects/gateway-class.ts'
import type { ObjectChange, ObjectSink } from './providers/object-sink.ts'

/**
 * Lets through what is ours: GatewayClasses with one of our controllerNames, and Gateways of such a class. In a
 * cluster with several controllers the others' classes and Gateways, and every change of them, cost a look into a Map
 * and no derivation. A Gateway comes through when its class does, and goes with it. All other kinds come through.
 */
export class OwnGateways implements ObjectSink {
  readonly #next: ObjectSink
  readonly #controllerNames: ReadonlySet<string>
  /** All of the cluster. */
  readonly #classes = new Map<NamespacedName, GatewayClass>()
  readonly #gateways = new Map<NamespacedName, Gateway>()
  /** Those of them that the next sink has. */
  readonly #passed = { GatewayClass: new Set<NamespacedName>(), Gateway: new Set<NamespacedName>() }

  constructor(next: ObjectSink, controllerNames: readonly string[]) {
    this.#next = next
    this.#controllerNames = new Set(controllerNames)
  }

  apply(changes: readonly ObjectChange[]): void {
    const passing = this.#select(changes)
    if (passing.length === 0) return
    this.#next.apply(passing)
    // Only now: when the next sink throws, nothing has changed there, and each change comes again by itself.
    this.#note(passing)
  }

  async load(changes: readonly ObjectChange[]): Promise<void> {
    const passing = this.#select(changes)
    if (this.#next.load) await this.#next.load(passing)
    else this.#next.apply(passing)
    this.#note(passing)
  }

  #select(changes: readonly ObjectChange[]): readonly ObjectChange[] {
    const others: ObjectChange[] = []
    const classes = new Set<NamespacedName>()
    const gateways = new Set<NamespacedName>()
    for (const change of changes) {
      const { kind, key, object } = change
      if (kind === 'GatewayClass') {
        put(this.#classes, key, object as GatewayClass | undefined)
        classes.add(key)
      } else if (kind === 'Gateway') {
        put(this.#gateways, key, object as Gateway | undefined)
        gateways.add(key)
      } else others.push(change)
    }
    if (classes.size > 0)
      for (const [key, gateway] of this.#gateways) if (classes.has(classKeyOf(gateway))) gateways.add(key)
    return [...this.#listOwnClasses(classes), ...this.#listOwnGateways(gateways), ...others]
  }

  #note(passed: readonly ObjectChange[]): void {
    for (const { kind, key, object } of passed) {
      if (kind !== 'GatewayClass' && kind !== 'Gateway') continue
      if (object === undefined) this.#passed[kind].delete(key)
      else this.#passed[kind].add(key)
    }
  }

  /** Whose a Gateway is that is not ours: another controller's, or nobody's that we know of, as when its class is gone. */
  ownershipOf(gateway: NamespacedName): 'foreign' | 'unknown' {
    const object = this.#gateways.get(gateway)
    const gatewayClass = object && this.#classes.get(classKeyOf(object))
    return gatewayClass === undefined || this.#isOwn(gatewayClass) ? 'unknown' : 'foreign'
  }

  #isOwn(gatewayClass: GatewayClass | undefined): boolean {
    return gatewayClass !== undefined && this.#controllerNames.has(gatewayClass.spec.controllerName)
  }

  *#listOwnClasses(keys: Iterable<NamespacedName>) {
    for (const key of keys) {
      const object = this.#classes.get(key)
      yield* this.#pass('GatewayClass', key, this.#isOwn(object) ? object : undefined)
    }
  }

  *#listOwnGateways(keys: Iterable<NamespacedName>) {
    for (const key of keys) {
      const object = this.#gateways.get(key)
      yield* this.#pass(
        'Gateway',
        key,
        object && this.#isOwn(this.#classes.get(classKeyOf(object))) ? object : undefined,
      )
    }
  }

  *#pass<K extends 'GatewayClass' | 'Gateway'>(kind: K, key: NamespacedName, object: KubernetesObject | undefined) {
    if (object !== undefined || this.#passed[kind].has(key)) yield { kind, key, object }
  }
}

function put<V>(map: Map<NamespacedName, V>, key: NamespacedName, value: V | undefined): void {
  if (value === undefined) map.delete(key)
  else map.set(key, value)
}

function classKeyOf({ spec }: Gateway): NamespacedName {
  return namespacedName('', spec.gatewayClassName)
}
