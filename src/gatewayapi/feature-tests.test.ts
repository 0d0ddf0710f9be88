import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ownApi, supportedFeatureNames } from './features.ts'

/**
 * Where each claimed feature is shown to work: by requests, connections or datagrams through stock Envoy. The file
 * names the feature, so that whoever changes the test knows what it stands for.
 */
const testFiles: Readonly<Record<string, readonly string[]>> = {
  'grant-removal': ['ReferenceGrant'],
  hitless: ['GatewayPort8080'],
  'envoy/cors': ['HTTPRouteCORS'],
  'envoy/grpc-route': ['GRPCRoute', 'GRPCRouteNamedRouteRule', 'GRPCRouteRequestHeaderModifier'],
  'envoy/listener-filter': ['GatewayListenerFilters'],
  'envoy/retry': ['HTTPRouteRetryCodes', 'HTTPRouteRetryConnectionError'],
  'envoy/route': [
    'HTTPRoute303RedirectStatusCode',
    'HTTPRoute307RedirectStatusCode',
    'HTTPRoute308RedirectStatusCode',
    'HTTPRouteBackendRequestHeaderModification',
    'HTTPRouteBackendTimeout',
    'HTTPRouteBackendURLRewrite',
    'HTTPRouteHostRewrite',
    'HTTPRouteMethodMatching',
    'HTTPRouteNamedRouteRule',
    'HTTPRoutePathRedirect',
    'HTTPRoutePathRewrite',
    'HTTPRoutePortRedirect',
    'HTTPRouteQueryParamMatching',
    'HTTPRouteRequestMirror',
    'HTTPRouteRequestMultipleMirrors',
    'HTTPRouteRequestPercentageMirror',
    'HTTPRouteRequestTimeout',
    'HTTPRouteResponseHeaderModification',
    'HTTPRouteSchemeRedirect',
  ],
  'envoy/service': ['HTTPRouteBackendProtocolH2C', 'HTTPRouteBackendProtocolWebSocket'],
  'journeys/backend-tls': ['BackendTLSPolicy', 'BackendTLSPolicySANValidation', 'GatewayBackendClientCertificate'],
  'journeys/client-certificates': [
    'ClusterTrustBundle',
    'GatewayFrontendClientCertificateValidation',
    'GatewayFrontendClientCertificateValidationInsecureFallback',
  ],
  'journeys/gateway-addresses': [
    'GatewayAddressEmpty',
    'GatewayAddressRoutability',
    'GatewayAddressRoutabilityCluster',
    'GatewayInfrastructure',
    'GatewayStaticAddresses',
  ],
  'journeys/hostname-precedence': ['GatewayRouteHostnameIntersectionPrecedence'],
  'journeys/listener-isolation': ['GatewayHTTPListenerIsolation', 'GatewayHTTPSListenerDetectMisdirectedRequests'],
  'journeys/listener-sets': ['ListenerSet'],
  'journeys/quickstart': ['Gateway', 'HTTPRoute'],
  'journeys/routing': ['HTTPRouteDestinationPortMatching', 'HTTPRouteParentRefPort'],
  'journeys/streams': ['TCPRoute', 'TLSRoute', 'TLSRouteModeMixed', 'TLSRouteModeTerminate', 'UDPRoute'],
}

const places = Object.entries(testFiles).flatMap(([file, names]) => names.map((name) => [name, file] as const))

test('every feature that is claimed, and no other, has a test that sends traffic', () => {
  expect(places.map(([name]) => name).sort()).toEqual(supportedFeatureNames(ownApi))
})

describe('the test of a feature names it', () => {
  test.each(places)('%s: %s', (name, file) => {
    const text = readFileSync(join(import.meta.dirname, '..', `${file}.envoy.test.ts`), 'utf8')
    // As a word: many names begin with that of another.
    expect(text).toMatch(new RegExp(`Features:[^/]*\\b${name}\\b`))
    expect(text).toMatch(/^\s*(?:it|test)(?:\.each)?\(/m)
  })
})
