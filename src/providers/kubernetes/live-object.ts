import { contentVersion } from '../../base/hash.ts'
import { type NamespacedName, namespacedName } from '../../gatewayapi/object-key.ts'
import { gatewayGroup } from '../../gatewayapi/objects/reference.ts'
import type { InfrastructureKind } from '../../infrastructure/manifest.ts'
import { asList, asObject, type JsonObject } from './json.ts'

/** One object of the infrastructure as the API server has it. */
export interface LiveObject {
  readonly kind: InfrastructureKind
  readonly key: NamespacedName
  readonly uid: string
  /** The Gateway that controls it; undefined if none does. */
  readonly owner: { readonly gateway: NamespacedName; readonly uid: string } | undefined
  /** Somebody has deleted it, and finalizers still hold it. */
  readonly isDeleting: boolean
  /** Without what is not for us to say: status, versions, managers of fields. */
  readonly content: JsonObject
  /** Of the content. */
  readonly version: string
}

export function readLiveObject(kind: InfrastructureKind, object: JsonObject): LiveObject {
  // Items of a list do not say what they are.
  const { apiVersion: _apiVersion, kind: _kind, status: _status, metadata, ...body } = object
  const { name, namespace, uid, deletionTimestamp, labels, annotations, ownerReferences } = asObject(metadata)
  const content = { ...body, metadata: { name, namespace, labels, annotations, ownerReferences } }
  const controller = asList(ownerReferences).find(
    (owner) =>
      owner['controller'] === true &&
      owner['kind'] === 'Gateway' &&
      String(owner['apiVersion']).startsWith(`${gatewayGroup}/`),
  )
  return {
    kind,
    key: namespacedName(String(namespace), String(name)),
    uid: String(uid),
    owner: controller && {
      gateway: namespacedName(String(namespace), String(controller['name'])),
      uid: String(controller['uid']),
    },
    isDeleting: deletionTimestamp !== undefined,
    content,
    version: contentVersion(JSON.stringify(content)),
  }
}
