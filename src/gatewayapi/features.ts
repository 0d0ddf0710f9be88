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
    ['StaticAddresses', 'claimed'],
    ['HTTPListenerIsolation', 'claimed'],
    ['HTTPSListenerDetectMisdirectedRequests', 'claimed'],
    ['Infrastructure', 'claimed'],
    ['AddressEmpty', 'claimed'],
    ['BackendClientCertificate', 'claimed'],
    ['FrontendClientCertificateValidation', 'claimed'],
    ['FrontendClientCertificateValidationInsecureFallback', 'claimed'],
    ['RouteHostnameIntersectionPrecedence', 'claimed'],
    ['AddressRoutability', 'claimed', 'experimental'],
    ['AddressRoutabilityCluster', 'claimed', 'experimental'],
    ['ListenerFilters', 'claimed', 'experimental'],
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

/** What the installed CRDs of the Gateway API are. */
export interface InstalledApi {
  readonly channel: Feature['channel']
  /** The 7 of v1.7.0. */
  readonly minor: number
}

/** Our own schemas, by which objects from files are checked: they have the experimental fields. */
export const ownApi: InstalledApi = { channel: 'experimental', minor: 7 }

/** Names that a release has changed; the suites of earlier ones know the old name. */
const formerNames: ReadonlyMap<
  string,
  { readonly name: string; readonly channel: Feature['channel']; readonly changedIn: number }
> = new Map([
  ['GatewayInfrastructure', { name: 'GatewayInfrastructurePropagation', channel: 'standard', changedIn: 6 }],
  ['HTTPRouteRetryCodes', { name: 'HTTPRouteRetry', channel: 'experimental', changedIn: 7 }],
])

/** Those whose fields came with 1.7; earlier suites do not know them. */
const newNames: ReadonlySet<string> = new Set([
  'GatewayAddressRoutability',
  'GatewayAddressRoutabilityCluster',
  'GatewayListenerFilters',
])

/**
 * The names for GatewayClass.status.supportedFeatures, sorted as the field wants them: what we have and what the
 * installed CRDs have fields for.
 */
export function supportedFeatureNames({ channel, minor }: InstalledApi): string[] {
  const isThere = (needed: Feature['channel']) => needed === 'standard' || channel === 'experimental'
  return features
    .filter((feature) => feature.claimed && (minor >= 7 || !newNames.has(feature.name)))
    .map((feature) => {
      const former = formerNames.get(feature.name)
      return former && minor < former.changedIn ? former : feature
    })
    .filter((feature) => isThere(feature.channel))
    .map((feature) => feature.name)
    .sort()
}

/**
 * Reads what the CRDs say of themselves.
 * @param version the annotation gateway.networking.k8s.io/bundle-version, e.g. "v1.7.0" or "v1.7.0-rc.1"
 * @param channel the annotation gateway.networking.k8s.io/channel
 * @returns undefined for a version that we do not know
 */
export function parseInstalledApi(version: string, channel: string | undefined): InstalledApi | undefined {
  const [, major, minor] = /^v(\d{1,3})\.(\d{1,3})\./.exec(version) ?? []
  if (major !== '1' || minor === undefined || Number(minor) > ownApi.minor) return undefined
  return { channel: channel === 'experimental' ? 'experimental' : 'standard', minor: Number(minor) }
}
