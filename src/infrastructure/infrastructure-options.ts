/** What an installation decides about the proxies of all its Gateways. */
export interface InfrastructureOptions {
  readonly envoyImage: string
  /** Kubernetes' own choice unless given. */
  readonly imagePullPolicy?: 'Always' | 'IfNotPresent' | 'Never'
  /** Names of Secrets in the namespaces of the Gateways. */
  readonly imagePullSecrets?: readonly string[]
  /** Where proxies find the control plane, e.g. "gatewright.gatewright-system.svc:18000". */
  readonly xdsAddress: string
  /** A name in the control plane's certificate; the host of `xdsAddress` unless given. */
  readonly xdsServerName?: string
  /** Audience of the tokens that proxies show. */
  readonly tokenAudience: string
  /** What Envoy binds: "::" takes both families where the nodes have IPv6. See {@link chooseListenAddress}. */
  readonly listenAddress: '0.0.0.0' | '::'
}

/** Seconds after which kubelet has put a new token in place of the old one; the shortest that Kubernetes gives is 600. */
export const tokenLifetime = 3600

/** Ports of the pod that no listener gets. */
export const podPorts = {
  /** Envoy's admin page, on loopback: for `kubectl port-forward` only. */
  admin: 19000,
  /** GET /ready and GET /stats/prometheus of it, for kubelet and Prometheus. */
  readiness: 19003,
} as const

/** Uid and gid in the pods; Envoy's images know it as "nonroot". */
export const proxyUser = 65532

/**
 * Milliseconds between the moment a pod is seen to be terminating and the moment its listeners are taken
 * away. Until then load balancers and kube-proxy learn that it is going; see docs/adr/0005-draining-proxies.md.
 */
export const withdrawTime = 5000

/**
 * Milliseconds for which Services stay when a Gateway has got others with its new class: those who look their address
 * up in DNS learn of it late. Longer than a terminating pod may need its account.
 */
export const earlierClassTime = 300_000

/**
 * Which address listeners bind, from the addresses of one of the cluster's pods: where this one has an
 * IPv6 address, so have the proxies.
 * @param podAddresses status.podIPs of the control plane's own pod, separated by commas
 */
export function chooseListenAddress(podAddresses: string): '0.0.0.0' | '::' {
  return podAddresses.split(',').some((address) => address.includes(':')) ? '::' : '0.0.0.0'
}
