import type { KubernetesObject } from './gatewayapi/kinds.ts'
import { type NamespacedName, namespacedName } from './gatewayapi/object-key.ts'
import type { Gateway } from './gatewayapi/objects/gateway.ts'
import type { GatewayClass } from './gatewayapi/objects/gateway-class.ts'
import type { ObjectChange, ObjectSink } from './providers/object-sink.ts'

/**
 * Lets through what is ours: GatewayClasses with one of our controllerNames, and Gateways of such a class. In a
 * cluster with several controllers the others' classes and Gateways, and every change of them, cost a look into a Map
 * and no derivation. A Gateway comes through when its class does. When it names a class that is not there (yet), or
 * its class goes, it stays as it was, and so does the class: what serves is cut off neither by a typing error nor
 * because of the order in which changes arrive. It goes when its class is another controller's. All other kinds come
 * through.
 */
export class OwnGateways implements ObjectSink {
  readonly #next: ObjectSink
  readonly #controllerNames: ReadonlySet<string>
  /** All of the cluster. */
  readonly #classes = new Map<NamespacedName, GatewayClass>()
  readonly #gateways = new Map<NamespacedName, Gateway>()
  /** Those of them that the next sink has, as it has them. */
  readonly #passed = {
    GatewayClass: new Map<NamespacedName, GatewayClass>(),
    Gateway: new Map<NamespacedName, Gateway>(),
  }

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
    const ofGateways = [...this.#listOwnGateways(gateways)]
    return [...this.#listOwnClasses(classes, ofGateways), ...ofGateways, ...others]
  }

  #note(passed: readonly ObjectChange[]): void {
    for (const { kind, key, object } of passed) {
      if (kind === 'GatewayClass') put(this.#passed[kind], key, object as GatewayClass | undefined)
      else if (kind === 'Gateway') put(this.#passed[kind], key, object as Gateway | undefined)
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

  *#listOwnClasses(keys: Iterable<NamespacedName>, ofGateways: readonly ObjectChange[]) {
    const left = new Set<NamespacedName>()
    for (const key of keys) {
      const object = this.#classes.get(key)
      if (object) yield* this.#pass('GatewayClass', key, this.#isOwn(object) ? object : undefined)
      else left.add(key)
    }
    for (const { key } of ofGateways) {
      const before = this.#passed.Gateway.get(key)
      if (before && !this.#classes.has(classKeyOf(before))) left.add(classKeyOf(before))
    }
    if (left.size === 0) return
    const gateways = new Map(this.#passed.Gateway)
    for (const { key, object } of ofGateways) put(gateways, key, object as Gateway | undefined)
    for (const gateway of gateways.values()) left.delete(classKeyOf(gateway))
    for (const key of left) yield* this.#pass('GatewayClass', key, undefined)
  }

  *#listOwnGateways(keys: Iterable<NamespacedName>) {
    for (const key of keys) {
      const object = this.#gateways.get(key)
      const gatewayClass = object && this.#classes.get(classKeyOf(object))
      if (object && !gatewayClass && this.#isToStay(key, object)) continue
      yield* this.#pass('Gateway', key, this.#isOwn(gatewayClass) ? object : undefined)
    }
  }

  /** Not one of the same name that came later, and not one that is going. */
  #isToStay(key: NamespacedName, { metadata }: Gateway): boolean {
    const before = this.#passed.Gateway.get(key)
    return before !== undefined && before.metadata.uid === metadata.uid && metadata.deletionTimestamp === undefined
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
