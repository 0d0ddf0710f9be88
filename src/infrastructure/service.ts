import { selectorLabels } from './labels.ts'
import { type Manifest, type RenderContext, renderHead } from './manifest.ts'
import { planPorts } from './port-plan.ts'

/**
 * The way to the proxies of a Gateway. Fields that are not here belong to whoever sets them: nodePort,
 * clusterIP, loadBalancerClass, externalTrafficPolicy and others.
 */
export function renderService(context: RenderContext): Manifest {
  const { fleet } = context
  const { serviceType = fleet.isInternal ? 'ClusterIP' : 'LoadBalancer', serviceAnnotations } = fleet.parameters ?? {}
  const plan = planPorts(fleet.ports)
  const [requested] = fleet.requestedAddresses
  return {
    ...renderHead(context, 'Service', serviceAnnotations),
    spec: {
      type: serviceType,
      selector: selectorLabels(fleet),
      ipFamilyPolicy: 'PreferDualStack',
      // Deprecated, because its meaning differs between load balancers, and the only way to ask for an address
      // that most of them have. It holds one: the binding tells whoever asks for more.
      ...(serviceType === 'LoadBalancer' && requested !== undefined && { loadBalancerIP: requested }),
      ports: fleet.listens.map(({ port, transport, protocol }) => ({
        // No appProtocol: some clouds take it for an order to check the health of "/", which is nobody's route.
        name: portName(protocol, transport, port),
        port,
        protocol: transport,
        targetPort: plan.get(port),
      })),
    },
  }
}

/** At most 15 characters, and unique because of the number and the transport. */
function portName(protocol: string, transport: 'TCP' | 'UDP', port: number): string {
  return `${/^[a-z]{1,8}$/.test(protocol) ? protocol : transport.toLowerCase()}-${port}`
}
