import { contentVersion } from '../../base/hash.ts'
import { envoy } from '../../gen/envoy.js'
import type { SessionNode } from '../../graph/session.ts'
import { buildDuration, packAny } from '../any.ts'

type HttpFilter = envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter
type HeaderMatcher = envoy.config.route.v3.HeaderMatcher
type HeaderValueOption = envoy.config.core.v3.HeaderValueOption
const { StatefulSession, StatefulSessionPerRoute } = envoy.extensions.filters.http.stateful_session.v3
const { CookieBasedSessionState } = envoy.extensions.http.stateful_session.cookie.v3
const { HeaderBasedSessionState } = envoy.extensions.http.stateful_session.header.v3
const { APPEND_IF_EXISTS_OR_ADD } = envoy.config.core.v3.HeaderValueOption.HeaderAppendAction

export const statefulSessionName = 'envoy.filters.http.stateful_session'

/**
 * In the chain of every connection manager, and enabled by the Routes that ask for it.
 * @param canReroute whether the Route may be another one later, because the listener has filters
 */
export function buildSessionFilter(canReroute: boolean): HttpFilter {
  return { name: statefulSessionName, typedConfig: packAny(StatefulSession, {}), disabled: !canReroute }
}

/** Keeps the requests of a session at one endpoint of the Route's cluster while it is there; another takes over when not. */
export function buildSession(session: SessionNode): ReturnType<typeof packAny> {
  return packAny(StatefulSessionPerRoute, { statefulSession: { sessionState: buildState(session) } })
}

function buildState(session: SessionNode): envoy.config.core.v3.TypedExtensionConfig {
  if (session.type === 'header')
    return {
      name: 'envoy.http.stateful_session.header',
      typedConfig: packAny(HeaderBasedSessionState, { name: session.name }),
    }
  const { name, path, lifetime } = session
  const cookie = { name, path, ...(lifetime > 0 && { ttl: buildDuration(lifetime) }) }
  return { name: 'envoy.http.stateful_session.cookie', typedConfig: packAny(CookieBasedSessionState, { cookie }) }
}

type CookieSession = Extract<SessionNode, { type: 'cookie' }>

/**
 * A session among several clusters. Envoy remembers an endpoint, but picks a cluster before it asks where the
 * session was. So a second cookie names the cluster, and Routes that look for it stand before the one that divides.
 */
export function buildClusterCookie({ name, path, lifetime }: CookieSession, cluster: string): HeaderValueOption {
  const age = lifetime > 0 ? `; Max-Age=${Math.max(1, Math.round(lifetime / 1000))}` : ''
  const value = `${name}-backend=${contentVersion(cluster)}; Path=${path}${age}; HttpOnly`
  return {
    header: { key: 'set-cookie', value: value.replaceAll('%', '%%') },
    appendAction: APPEND_IF_EXISTS_OR_ADD,
  }
}

/** Finds the sessions of {@link buildClusterCookie}. */
export function matchClusterCookie({ name }: CookieSession, cluster: string): HeaderMatcher {
  const cookie = `${name}-backend=${contentVersion(cluster)}`.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  return { name: 'cookie', stringMatch: { safeRegex: { regex: `(?:.*; ?)?${cookie}(?:;.*)?` } } }
}
