import { contentVersion } from '../../base/hash.ts'
import { type NamespacedName, namespacedName } from '../../gatewayapi/object-key.ts'
import { experimentalGroup, gatewayGroup } from '../../gatewayapi/objects/reference.ts'
import type { InfrastructureKind } from '../../infrastructure/manifest.ts'
import { asList, asObject, type JsonObject } from './json.ts'

export interface LiveOwner {
  readonly kind: OwnerKind
  readonly key: NamespacedName
  readonly uid: string
}

/** The kinds that objects are made for, and their groups. */
const ownerGroups = { Gateway: gatewayGroup, XBackend: experimentalGroup } as const
type OwnerKind = keyof typeof ownerGroups

/** One object of the infrastructure as the API server has it. */
export interface LiveObject {
  readonly kind: InfrastructureKind
  readonly key: NamespacedName
  readonly uid: string
  /** The object of a user that controls it, if it is of a kind that we make objects for. */
  readonly owner: LiveOwner | undefined
  /** Somebody has deleted it, and finalizers still hold it. */
  readonly isDeleting: boolean
  /** Of a Deployment that its controller has seen as it is now; else 0. */
  readonly readyPods: number
  /** Without what is not for us to say: status, versions, managers of fields. */
  readonly content: JsonObject
  /** Of the content. */
  readonly version: string
}

export function readLiveObject(kind: InfrastructureKind, object: JsonObject): LiveObject {
  // Items of a list do not say what they are.
  const { apiVersion: _apiVersion, kind: _kind, status, metadata, ...body } = object
  const { name, namespace, uid, generation, deletionTimestamp, labels, annotations, ownerReferences } =
    asObject(metadata)
  const content = { ...body, metadata: { name, namespace, labels, annotations, ownerReferences } }
  return {
    kind,
    key: namespacedName(String(namespace), String(name)),
    uid: String(uid),
    owner: findOwner(ownerReferences, String(namespace)),
    isDeleting: deletionTimestamp !== undefined,
    readyPods: readReadyPods(generation, asObject(status)),
    content,
    version: contentVersion(JSON.stringify(content)),
  }
}

function readReadyPods(generation: unknown, { observedGeneration, readyReplicas }: JsonObject): number {
  return observedGeneration === generation && typeof readyReplicas === 'number' ? readyReplicas : 0
}

function findOwner(ownerReferences: unknown, namespace: string): LiveOwner | undefined {
  const controller = asList(ownerReferences).find((owner) => owner['controller'] === true)
  const kind = (['Gateway', 'XBackend'] as const).find(
    (k) => controller?.['kind'] === k && String(controller['apiVersion']).startsWith(`${ownerGroups[k]}/`),
  )
  if (!controller || !kind) return undefined
  return { kind, key: namespacedName(namespace, String(controller['name'])), uid: String(controller['uid']) }
}
