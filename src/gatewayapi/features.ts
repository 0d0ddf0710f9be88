/** The feature names of Gateway API 1.7.0, for GatewayClass.status.supportedFeatures. */

export interface Feature {
  readonly name: string
  /** Whether the fields of the feature are in the standard CRDs. */
  readonly channel: 'standard' | 'experimental'
  /** core: belongs to every implementation of its kind. */
  readonly level: 'core' | 'extended'
  /** Whether Gatewright has it. The conformance suite tests what is claimed, so claim only what works. */
  readonly claimed: boolean
}

type Row = readonly [name: string, claimed?: 'claimed', channel?: 'experimental']

function rows(level: Feature['level'], prefix: string, list: readonly Row[]): Feature[] {
  return list.map(([name, claimed, channel]) => ({
    name: prefix + name,
    channel: channel ?? 'standard',
    level,
    claimed: claimed !== undefined,
  }))
}

/** Every feature, those of service meshes too, which Gatewright does not serve. */
export const features: readonly Feature[] = [
  ...rows('core', '', [
    ['Gateway', 'claimed'],
    ['ReferenceGrant', 'claimed'],
    ['HTTPRoute', 'claimed'],
    ['GRPCRoute', 'claimed'],
    ['TLSRoute', 'claimed'],
    ['TCPRoute', 'claimed'],
    ['UDPRoute', 'claimed'],
    ['BackendTLSPolicy', 'claimed'],
  ]),
  ...rows('extended', 'Gateway', [
    ['Port8080', 'claimed'],
    ['StaticAddresses'],
    ['HTTPListenerIsolation', 'claimed'],
    ['HTTPSListenerDetectMisdirectedRequests', 'claimed'],
    ['Infrastructure'],
    ['AddressEmpty'],
    ['BackendClientCertificate', 'claimed'],
    ['FrontendClientCertificateValidation', 'claimed'],
    ['FrontendClientCertificateValidationInsecureFallback', 'claimed'],
    ['RouteHostnameIntersectionPrecedence', 'claimed'],
    ['AddressRoutability', undefined, 'experimental'],
    ['AddressRoutabilityCluster', undefined, 'experimental'],
    ['ListenerFilters', undefined, 'experimental'],
  ] as Row[]),
  ...rows('extended', '', [
    ['ListenerSet', 'claimed'],
    ['ClusterTrustBundle', 'claimed', 'experimental'],
    ['BackendTLSPolicySANValidation', 'claimed'],
    ['GRPCRouteNamedRouteRule', 'claimed'],
    ['GRPCRouteRequestHeaderModifier', 'claimed'],
    ['TLSRouteModeTerminate', 'claimed'],
    ['TLSRouteModeMixed', 'claimed'],
  ] as Row[]),
  ...rows('extended', 'HTTPRoute', [
    ['DestinationPortMatching', 'claimed', 'experimental'],
    ['BackendRequestHeaderModification', 'claimed'],
    ['QueryParamMatching', 'claimed'],
    ['MethodMatching', 'claimed'],
    ['ResponseHeaderModification', 'claimed'],
    ['PortRedirect', 'claimed'],
    ['SchemeRedirect', 'claimed'],
    ['PathRedirect', 'claimed'],
    ['HostRewrite', 'claimed'],
    ['PathRewrite', 'claimed'],
    ['RequestMirror', 'claimed'],
    ['RequestMultipleMirrors', 'claimed'],
    ['RequestPercentageMirror', 'claimed'],
    ['RequestTimeout', 'claimed'],
    ['BackendTimeout', 'claimed'],
    ['ParentRefPort', 'claimed'],
    ['BackendProtocolH2C', 'claimed'],
    ['BackendProtocolWebSocket', 'claimed'],
    ['NamedRouteRule', 'claimed'],
    ['303RedirectStatusCode', 'claimed'],
    ['307RedirectStatusCode', 'claimed'],
    ['308RedirectStatusCode', 'claimed'],
    ['CORS', 'claimed'],
    ['RetryCodes', 'claimed'],
    ['RetryConnectionError', 'claimed'],
    ['BackendURLRewrite', 'claimed'],
  ]),
  ...rows('core', '', [['Mesh']]),
  ...rows('extended', 'Mesh', [
    ['ClusterIPMatching'],
    ['ConsumerRoute'],
    ['HTTPRouteRewritePath'],
    ['HTTPRouteSchemeRedirect'],
    ['HTTPRouteRedirectPort'],
    ['HTTPRouteRedirectPath'],
    ['HTTPRouteBackendRequestHeaderModification'],
    ['HTTPRouteQueryParamMatching'],
    ['HTTPRouteNamedRouteRule'],
  ]),
]

/**
 * The names for GatewayClass.status.supportedFeatures, sorted as the field wants them.
 * @param channel of the installed CRDs: experimental features need the experimental ones
 */
export function supportedFeatureNames(channel: Feature['channel'] = 'standard'): string[] {
  return features
    .filter((feature) => feature.claimed && (feature.channel === 'standard' || channel === 'experimental'))
    .map((feature) => feature.name)
    .sort()
}

/** What is claimed where objects are checked by our own schemas, which have the experimental fields. */
export const claimedFeatures: readonly string[] = supportedFeatureNames('experimental')
