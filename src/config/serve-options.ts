import { addressOption, choiceOption, type Option, switchOption, textOption } from './option.ts'
import { controllerNames, help, logFormat, logLevel, runOptions } from './options.ts'

function optionalText(name: string, value: string, help: string): Option<string | undefined> {
  return { name, value, help, parse: (given) => given.at(-1) }
}

function listOption(name: string, value: string, help: string): Option<readonly string[]> {
  return { name, value, repeated: true, help, parse: (given) => given }
}

/** Of `gatewright serve`, the control plane in a cluster. The chart sets them from its values. */
export const serveOptions = {
  controllerNames,
  xdsAddress: addressOption('xds-address', '[::]:18000', 'Where proxies connect (ADS over TLS).'),
  adminAddress: addressOption(
    'admin-address',
    '[::]:19001',
    'Where /healthz, /readyz and /metrics are served. No secret can be read there.',
  ),
  namespace: optionalText(
    'namespace',
    'NAME',
    'Namespace of this control plane: its Lease, its certificate Secret and its Service are there. Unless given: $POD_NAMESPACE, then that of the service account, then "gatewright-system".',
  ),
  identity: optionalText(
    'identity',
    'NAME',
    'Name of this replica in the election of the leader. Unless given: $POD_NAME, then the host name.',
  ),
  xdsService: textOption(
    'xds-service',
    'NAME',
    'gatewright',
    'Service in front of --xds-address, in the same namespace: proxies connect to it, and the server certificate names it.',
  ),
  clusterDomain: textOption('cluster-domain', 'NAME', 'cluster.local', 'DNS domain of the cluster.'),
  watchNamespaces: listOption(
    'watch-namespace',
    'NAME',
    'Only objects of this namespace are read, which needs Roles instead of ClusterRoles. May be given several times; all namespaces unless given.',
  ),
  envoyImage: textOption(
    'envoy-image',
    'IMAGE',
    'docker.io/envoyproxy/envoy:distroless-v1.40.0',
    'Image of the proxies: stock Envoy 1.38 to 1.40.',
  ),
  imagePullPolicy: choiceOption(
    'image-pull-policy',
    ['Always', 'IfNotPresent', 'Never'],
    'IfNotPresent',
    'imagePullPolicy of the proxies.',
  ),
  imagePullSecrets: listOption(
    'image-pull-secret',
    'NAME',
    "Secret in each Gateway's namespace with which the image of the proxies is pulled. May be given several times.",
  ),
  tokenAudience: textOption(
    'token-audience',
    'NAME',
    'gatewright-xds',
    'Audience of the service account tokens with which proxies show who they are.',
  ),
  allowLocalBackends: switchOption(
    'allow-local-backends',
    'Backends may lead to loopback and link-local addresses and to Unix sockets, which are those of the proxy. Whoever may write Backends can then reach the admin port of Envoy.',
  ),
  tables: runOptions.tables,
  kubeconfig: optionalText(
    'kubeconfig',
    'PATH',
    'How to reach the API server. Unless given: the service account of the pod, then $KUBECONFIG, then the usual file.',
  ),
  withoutElection: switchOption('without-election', 'This replica leads without asking; only for a single one.'),
  logLevel: {
    ...logLevel,
    defaultText: 'info',
    parse: (given: readonly string[]) => logLevel.parse(given.length > 0 ? given : ['info']),
  },
  logFormat: {
    ...logFormat,
    defaultText: 'json',
    parse: (given: readonly string[]) => logFormat.parse(given.length > 0 ? given : ['json']),
  },
  help,
}
