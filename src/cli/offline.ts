/** A condition as it is printed. */
export interface PrintedCondition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
  readonly observedGeneration: number
}

/** The status of one object of ours, ready to print; `status` has the shape of the API. */
export interface PrintedStatus {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly status: unknown
  /** Conditions with what they are about, e.g. "listener http" or "parent default/web"; '' for the object itself. */
  readonly conditions: ReadonlyArray<{ readonly about: string; readonly condition: PrintedCondition }>
}

/** One Envoy resource, ready to print. */
export interface PrintedResource {
  /** Scoped route configurations are routes, too. */
  readonly type: 'listener' | 'route' | 'cluster' | 'endpoint' | 'secret'
  /** The Gateway that it belongs to. */
  readonly gateway: string
  readonly name: string
  /** Proto JSON with the field names of the .proto files; private keys are redacted. */
  readonly resource: unknown
  readonly sources: readonly string[]
}

/** What can be told from manifests alone, without Envoy and without a cluster. */
export interface OfflineResult {
  /** One line per problem of a file, as "file:line:column: ..."; severity error means that something was not read. */
  readonly problems: ReadonlyArray<{ readonly severity: 'error' | 'warning'; readonly text: string }>
  readonly statuses: readonly PrintedStatus[]
  /** Sorted by gateway, type and name. */
  readonly resources: readonly PrintedResource[]
}

/** Reads manifests and translates them. */
export type TranslateOffline = (paths: readonly string[], controllerNames: readonly string[]) => Promise<OfflineResult>
