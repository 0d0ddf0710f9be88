import { ipVersion } from '../base/ip-version.ts'
import { podLabels } from './labels.ts'
import { type Manifest, type RenderContext, renderHead } from './manifest.ts'
import { planPorts } from './port-plan.ts'
import type { ServicePlan } from './service-plan.ts'

/**
 * The ways to the proxies of a Gateway, the one of the name of everything else first. Fields that are not here
 * belong to whoever sets them: nodePort, clusterIP, loadBalancerClass, externalTrafficPolicy and others. A Service of
 * another class stays as it is: annotations of this one might make its load balancer take the address away.
 */
export function renderServices(context: RenderContext, plans: readonly ServicePlan[]): readonly Manifest[] {
  return plans
    .filter((plan) => !plan.isOfEarlierClass)
    .map((plan, position) => renderService(context, plan, position === 0))
}

function renderService(context: RenderContext, plan: ServicePlan, isPrimary: boolean): Manifest {
  const { fleet } = context
  const ports = planPorts(fleet.ports)
  return {
    ...renderHead(context, 'Service', fleet.parameters?.serviceAnnotations, plan.name),
    spec: {
      type: plan.type,
      selector: podLabels(fleet),
      ...(isPrimary ? { ipFamilyPolicy: 'PreferDualStack' } : renderFamily(plan)),
      ...renderAddress(plan),
      ports: fleet.listens.map(({ port, transport, protocol }) => ({
        // No appProtocol: some clouds take it for an order to check the health of "/", which is nobody's route.
        name: portName(protocol, transport, port),
        port,
        protocol: transport,
        targetPort: ports.get(port),
      })),
    },
  }
}

/** A Service for one address has no second one, of the other family, that nobody has asked for. */
function renderFamily({ address = '' }: ServicePlan): object {
  const family = ipVersion(address)
  return { ipFamilyPolicy: 'SingleStack', ...(family !== 0 && { ipFamilies: [`IPv${family}`] }) }
}

function renderAddress({ type, address }: ServicePlan): object {
  if (address === undefined) return {}
  // Deprecated, because its meaning differs between load balancers, and the only way to ask for an address that
  // most of them have.
  if (type === 'LoadBalancer') return { loadBalancerIP: address }
  return { clusterIP: address }
}

/** At most 15 characters, and unique because of the number and the transport. */
function portName(protocol: string, transport: 'TCP' | 'UDP', port: number): string {
  return `${/^[a-z]{1,8}$/.test(protocol) ? protocol : transport.toLowerCase()}-${port}`
}
