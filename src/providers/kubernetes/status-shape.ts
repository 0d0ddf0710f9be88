import {
  backendTLSPolicyConditions,
  gatewayClassConditions,
  gatewayConditions,
  listenerConditions,
  listenerSetConditions,
  routeConditions,
} from '../../gatewayapi/conditions.ts'

/** The status belongs to the object's one controller; others may add condition types of their own. */
export interface OwnerShape {
  readonly form: 'owner'
  /** Types that are ours to write and to remove; all others are somebody else's. */
  readonly conditionTypes: ReadonlySet<string>
  /** The same of the conditions in `listeners`; none for kinds without listeners. */
  readonly listenerConditionTypes: ReadonlySet<string>
}

/** The status is one list in which each controller has entries of its own, told apart by controllerName. */
export interface EntriesShape {
  readonly form: 'entries'
  /** Field of the list in `status`. */
  readonly list: 'parents' | 'ancestors'
  /** Field of an entry that says what it is about. */
  readonly reference: 'parentRef' | 'ancestorRef'
  /** The longest list that the API server takes. */
  readonly max: number
  readonly conditionTypes: ReadonlySet<string>
}

/** How the status of a kind is divided among those who write it. */
export type StatusShape = OwnerShape | EntriesShape

export const gatewayClassShape: OwnerShape = {
  form: 'owner',
  conditionTypes: new Set(Object.keys(gatewayClassConditions)),
  listenerConditionTypes: new Set(),
}

/** Scheduled, Ready and Detached are what earlier versions of the API had. */
export const gatewayShape: OwnerShape = {
  form: 'owner',
  conditionTypes: new Set([...Object.keys(gatewayConditions), 'Scheduled', 'Ready']),
  listenerConditionTypes: new Set([...Object.keys(listenerConditions), 'Ready', 'Detached']),
}

export const listenerSetShape: OwnerShape = {
  form: 'owner',
  conditionTypes: new Set(Object.keys(listenerSetConditions)),
  listenerConditionTypes: new Set(Object.keys(listenerConditions)),
}

/** Of every kind of route. Programmed is not of the specification: see status/route.ts. */
export const routeShape: EntriesShape = {
  form: 'entries',
  list: 'parents',
  reference: 'parentRef',
  max: 32,
  conditionTypes: new Set([...Object.keys(routeConditions), 'Programmed']),
}

/** Of policies that attach to something (GEP-713). */
export const policyShape: EntriesShape = {
  form: 'entries',
  list: 'ancestors',
  reference: 'ancestorRef',
  max: 16,
  conditionTypes: new Set([...Object.keys(backendTLSPolicyConditions), 'Conflicted', 'Programmed']),
}
