import { compareBy } from '../base/compare.ts'
import { compareHostnames } from '../gatewayapi/hostname.ts'
import { compareRouteRanks } from '../gatewayapi/match-precedence.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { ListenerKey } from './listener.ts'
import type { RouteNode } from './route.ts'
import type { RouteAttachment } from './route-attachment.ts'
import { type StreamRouteNode, streamRouteKinds } from './stream-route.ts'

/** Where connections are: a listener, and for TLS the server name. "listener\nhostname"; "*" for every name. */
export type StreamPlace = string & { readonly __brand: 'StreamPlace' }

export function streamPlace(listener: ListenerKey, hostname: string): StreamPlace {
  return `${listener}\n${hostname}` as StreamPlace
}

/** The route that gets the connections of a place. One place has one: there is nothing else to tell connections apart by. */
export interface StreamOwner {
  readonly gateway: NamespacedName
  readonly listener: ListenerKey
  /** "*" for every name. */
  readonly hostname: string
  readonly route: StreamRouteNode
}

export function isStreamRoute(route: RouteNode): route is StreamRouteNode {
  return (streamRouteKinds as readonly string[]).includes(route.kind)
}

/** The places that an attachment asks for; none for routes of requests. */
export function placesOf({ listener, hostnames, route }: RouteAttachment): StreamPlace[] {
  return isStreamRoute(route) ? hostnames.map(({ hostname }) => streamPlace(listener, hostname)) : []
}

interface Contender {
  readonly original: string
  readonly route: StreamRouteNode
  readonly attachment: RouteAttachment
}

/** The most specific hostname of the routes' own wins, then the oldest route, then the first by name. */
const compareContenders = compareBy<Contender>(
  (a, b) => compareHostnames(a.original, b.original),
  (a, b) => compareRouteRanks(a.route.rank, b.route.rank),
)

/** @param attachments those that ask for the place */
export function chooseOwner(place: StreamPlace, attachments: readonly RouteAttachment[]): StreamOwner | undefined {
  const hostname = place.slice(place.indexOf('\n') + 1)
  const contenders = attachments.flatMap((attachment): Contender[] => {
    const { route, hostnames } = attachment
    const original = hostnames.find((h) => h.hostname === hostname)?.original ?? ''
    return isStreamRoute(route) ? [{ original, route, attachment }] : []
  })
  const [first] = contenders.sort(compareContenders)
  return (
    first && { gateway: first.attachment.gateway, listener: first.attachment.listener, hostname, route: first.route }
  )
}
