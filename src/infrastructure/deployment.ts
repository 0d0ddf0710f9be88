import type { ProxyParameters } from '../graph/proxy-parameters.ts'
import { podPaths } from './bootstrap.ts'
import { bootstrapVersion } from './config-map.ts'
import { podPorts, proxyUser, tokenLifetime, withdrawTime } from './infrastructure-options.ts'
import { objectLabels, selectorLabels } from './labels.ts'
import { type Manifest, type RenderContext, renderHead } from './manifest.ts'
import { infrastructureName } from './names.ts'
import type { ProxyFleet } from './proxy-fleet.ts'
import { resolveResources } from './resources.ts'

const defaultConcurrency = 2
const defaultDrainSeconds = 30
/** Between the end of the hold and SIGKILL: Envoy itself ends at once. */
const graceAfterHold = 10

/** As on a laptop (providers/local-envoy): how long connections live that a changed listener has left, at least. */
const listenerDrainSeconds = 60

/**
 * The Envoys of a Gateway. Listener ports are not declared as container ports, which nothing needs and which
 * would replace every pod whenever a listener is added.
 */
export function renderDeployment(context: RenderContext): Manifest {
  const { fleet } = context
  const { replicas, maxReplicas } = fleet.parameters ?? {}
  return {
    ...renderHead(context, 'Deployment'),
    spec: {
      // Who does not say how many there are does not fight whoever does: an autoscaler, or kubectl scale.
      ...(replicas !== undefined && maxReplicas === undefined && { replicas }),
      selector: { matchLabels: selectorLabels(fleet) },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: 0 } },
      template: { metadata: renderPodMetadata(context), spec: renderPodSpec(context) },
    },
  }
}

function renderPodMetadata(context: RenderContext): object {
  const { fleet } = context
  return {
    labels: objectLabels(fleet),
    annotations: {
      'prometheus.io/scrape': 'true',
      'prometheus.io/port': String(podPorts.readiness),
      'prometheus.io/path': '/stats/prometheus',
      ...fleet.annotations,
      // Envoy reads its bootstrap once, so another one means other pods.
      'gatewright.dev/bootstrap-version': bootstrapVersion(context),
    },
  }
}

function renderPodSpec(context: RenderContext): object {
  const { fleet, options } = context
  const name = infrastructureName(fleet)
  const hold = holdSeconds(fleet.parameters)
  return {
    serviceAccountName: name,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: hold + graceAfterHold,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: proxyUser,
      runAsGroup: proxyUser,
      fsGroup: proxyUser,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    ...(options.imagePullSecrets?.length && {
      imagePullSecrets: options.imagePullSecrets.map((secret) => ({ name: secret })),
    }),
    topologySpreadConstraints: ['topology.kubernetes.io/zone', 'kubernetes.io/hostname'].map((topologyKey) => ({
      maxSkew: 1,
      topologyKey,
      whenUnsatisfiable: 'ScheduleAnyway',
      labelSelector: { matchLabels: selectorLabels(fleet) },
      matchLabelKeys: ['pod-template-hash'],
    })),
    containers: [renderContainer(context, hold)],
    volumes: [
      { name: 'configuration', configMap: { name } },
      {
        name: 'xds-token',
        projected: {
          sources: [
            {
              serviceAccountToken: {
                audience: options.tokenAudience,
                expirationSeconds: tokenLifetime,
                path: 'token',
              },
            },
          ],
        },
      },
    ],
  }
}

function renderContainer({ fleet, options }: RenderContext, hold: number): object {
  const resources = resolveResources(fleet.parameters)
  const { cpuRequest, cpuLimit, memoryRequest, memoryLimit } = resources
  return {
    name: 'envoy',
    image: fleet.parameters?.envoyImage ?? options.envoyImage,
    ...(options.imagePullPolicy && { imagePullPolicy: options.imagePullPolicy }),
    args: renderArguments(fleet),
    env: ['name', 'namespace'].map((field) => ({
      name: `POD_${field.toUpperCase()}`,
      valueFrom: { fieldRef: { fieldPath: `metadata.${field}` } },
    })),
    ports: [{ name: 'metrics', containerPort: podPorts.readiness, protocol: 'TCP' }],
    resources: {
      requests: { cpu: cpuRequest, memory: memoryRequest },
      limits: { ...(cpuLimit !== undefined && { cpu: cpuLimit }), memory: memoryLimit },
    },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    // Kubelet asks at once when it sees the container run, and a startup probe before that would make each pod wait for
    // one more of its rounds, a second. A large table keeps the thread that answers busy for seconds, while others go on
    // carrying traffic; one that waits for the control plane is never killed, because a container that is started again
    // waits longer and longer, and would miss its return.
    readinessProbe: {
      httpGet: { path: '/ready', port: podPorts.readiness },
      periodSeconds: 1,
      timeoutSeconds: 5,
      failureThreshold: 3,
    },
    // No process of ours runs in the pod: kubelet waits, and the control plane takes the listeners away.
    lifecycle: { preStop: { sleep: { seconds: hold } } },
    volumeMounts: [
      { name: 'configuration', mountPath: podPaths.configuration, readOnly: true },
      { name: 'xds-token', mountPath: podPaths.token.slice(0, podPaths.token.lastIndexOf('/')), readOnly: true },
    ],
  }
}

/** The image's own entry point is Envoy, in all of the official ones. */
function renderArguments(fleet: ProxyFleet): string[] {
  const { concurrency = defaultConcurrency, logLevel = 'warning', drainSeconds = 0 } = fleet.parameters ?? {}
  return [
    ...['--config-path', podPaths.bootstrap],
    // The credential of the pod is good for exactly this name.
    ...['--service-node', '$(POD_NAMESPACE)/$(POD_NAME)', '--service-cluster', fleet.key],
    ...['--concurrency', String(concurrency), '--log-level', logLevel],
    // Each client is told to go with its next answer, so that nobody stays by chance (docs/adr/0005-draining-proxies.md).
    ...['--drain-time-s', String(Math.max(listenerDrainSeconds, drainSeconds)), '--drain-strategy', 'immediate'],
    '--disable-hot-restart',
    '--skip-deprecated-logs',
    // Looking for unknown fields costs a third of each table update.
    '--ignore-unknown-dynamic-fields',
  ]
}

/** How long a terminating pod is kept: until nobody sends it anything new, and then for what it still has. */
export function holdSeconds(parameters: ProxyParameters | undefined): number {
  return withdrawTime / 1000 + (parameters?.drainSeconds ?? defaultDrainSeconds)
}
