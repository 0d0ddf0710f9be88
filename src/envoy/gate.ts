import { envoy } from '../gen/envoy.js'
import { type AuthPlan, buildListenerAuths } from './filters/external-auth.ts'

type VirtualHost = envoy.config.route.v3.VirtualHost
const { Route } = envoy.config.route.v3

/** What stands before all routes of a listener. */
export interface Gate {
  /** Somebody must be asked and cannot be. */
  readonly isClosed: boolean
  readonly auths: readonly AuthPlan[]
}

/** The fields of a virtual host behind a gate; none without one. */
export function buildGate(gate: Gate | undefined): VirtualHost {
  if (gate === undefined || gate.isClosed || gate.auths.length === 0) return {}
  return { typedPerFilterConfig: buildListenerAuths(gate.auths) }
}

/** Envoy looks for what stands before routes by way of a Route: a request without one would not be asked for. */
export const lastRoute = Route.encode({ match: { prefix: '/' }, directResponse: { status: 404 } }).finish()

/** In place of all routes, where nobody may pass. */
export const closedRoute = Route.encode({ match: { prefix: '/' }, directResponse: { status: 500 } }).finish()
