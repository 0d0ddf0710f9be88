/**
 * The condition types of each kind with the reasons that Gateway API 1.7.0 names for them, by the status
 * they go with. The first reason of a status is its usual one. A reason that is not named here is allowed
 * by the specification but helps nobody's tools.
 */

type ConditionStatus = 'True' | 'False' | 'Unknown'

export type ConditionType = { readonly [S in ConditionStatus]?: readonly string[] }

export type ConditionTable = Readonly<Record<string, ConditionType>>

/** Of GatewayClass.status.conditions. */
export const gatewayClassConditions = {
  Accepted: {
    True: ['Accepted'],
    False: ['InvalidParameters', 'Unsupported', 'UnsupportedVersion'],
    Unknown: ['Pending'],
  },
  /** Whether the installed CRDs are of a version that we know. Experimental. */
  SupportedVersion: { True: ['SupportedVersion'], False: ['UnsupportedVersion'] },
} as const satisfies ConditionTable

/** Of Gateway.status.conditions. */
export const gatewayConditions = {
  /** Valid enough to produce some configuration. True with ListenersNotValid when only some listeners are bad. */
  Accepted: {
    True: ['Accepted', 'ListenersNotValid'],
    False: ['Invalid', 'InvalidParameters', 'UnsupportedAddress', 'ListenersNotValid'],
    Unknown: ['Pending'],
  },
  /** The data plane has the configuration, or will in a moment. */
  Programmed: {
    True: ['Programmed'],
    False: ['Invalid', 'Pending', 'NoResources', 'AddressNotAssigned', 'AddressNotUsable'],
    Unknown: ['Pending'],
  },
  /** References outside of listeners, and a summary of the listeners' own. Experimental. */
  ResolvedRefs: {
    True: ['ResolvedRefs'],
    False: ['InvalidClientCertificateRef', 'RefNotPermitted', 'ListenersNotResolved'],
  },
  /** Whether all requested addresses were assigned; left out before that is known (GEP-5093, 1.7). */
  AddressesAssigned: { True: ['AddressesAssigned'], False: ['PartiallyAssigned', 'NotAssigned'] },
  /** Present only while clients with no or bad certificates are let in. */
  InsecureFrontendValidationMode: { True: ['ConfigurationChanged'] },
  /** Ours. Present only while something cannot be made that traffic does not need: an autoscaler, a disruption budget. */
  'gatewright.dev/InfrastructureComplete': { False: ['NotApplied', 'Pending'] },
} as const satisfies ConditionTable

/** Of ListenerSet.status.conditions; those of its listeners are as in a Gateway. */
export const listenerSetConditions = {
  Accepted: {
    True: ['Accepted', 'ListenersNotValid'],
    False: ['Invalid', 'NotAllowed', 'ParentNotAccepted', 'ListenersNotValid'],
    Unknown: ['Pending'],
  },
  Programmed: {
    True: ['Programmed'],
    False: ['Invalid', 'NotAllowed', 'ParentNotAccepted', 'ListenersNotValid', 'Pending'],
    Unknown: ['Pending'],
  },
} as const satisfies ConditionTable

/** Of Gateway.status.listeners[].conditions. */
export const listenerConditions = {
  Accepted: {
    True: ['Accepted'],
    False: ['PortUnavailable', 'UnsupportedProtocol', 'NoValidCACertificate', 'UnsupportedValue'],
    Unknown: ['Pending'],
  },
  Programmed: { True: ['Programmed'], False: ['Invalid', 'Pending'], Unknown: ['Pending'] },
  ResolvedRefs: {
    True: ['ResolvedRefs'],
    False: [
      'InvalidCertificateRef',
      'InvalidRouteKinds',
      'RefNotPermitted',
      'InvalidCACertificateRef',
      'InvalidCACertificateKind',
    ],
  },
  Conflicted: { True: ['HostnameConflict', 'ProtocolConflict'], False: ['NoConflicts'] },
  /** Two TLS listeners of one port that a client could confuse on a shared connection. Never False. */
  OverlappingTLSConfig: { True: ['OverlappingCertificates', 'OverlappingHostnames'] },
} as const satisfies ConditionTable

/** Of status.ancestors[].conditions of a BackendTLSPolicy. */
export const backendTLSPolicyConditions = {
  Accepted: {
    True: ['Accepted'],
    False: ['Conflicted', 'Invalid', 'TargetNotFound', 'NoValidCACertificate'],
  },
  ResolvedRefs: { True: ['ResolvedRefs'], False: ['InvalidCACertificateRef', 'InvalidKind'] },
} as const satisfies ConditionTable

/** Of status.parents[].conditions of every kind of route. */
export const routeConditions = {
  Accepted: {
    True: ['Accepted'],
    False: [
      'NoMatchingParent',
      'NotAllowedByListeners',
      'NoMatchingListenerHostname',
      'UnsupportedValue',
      'IncompatibleFilters',
    ],
    Unknown: ['Pending'],
  },
  ResolvedRefs: {
    True: ['ResolvedRefs'],
    False: ['RefNotPermitted', 'InvalidKind', 'BackendNotFound', 'UnsupportedProtocol'],
  },
  /**
   * Some rules are served and some are not. Never False. The message must begin with
   * "Dropped Rule" where bad rules are left out, and Accepted is True then.
   */
  PartiallyInvalid: { True: ['UnsupportedValue'] },
} as const satisfies ConditionTable
