import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import { type ControlPlane, createServingControlPlane } from '../control-plane.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { XdsServer } from '../xds/server-options.ts'
import { applyObjects, gatewayClassYaml, gatewayYaml, parseObjects, testControllerName } from './builders.ts'
import { issueCertificate } from './certificates.ts'
import { type EchoBackend, startEchoBackend } from './echo-backend.ts'
import { PodEnvoy, testFleet } from './pod-envoy.ts'
import { TcpBalancer } from './tcp-balancer.ts'
import { findFreePort } from './xds-envoy.ts'

const serverName = 'gatewright.gatewright-system.svc'
const pods = ['old', 'new'] as const
export type Pod = (typeof pods)[number]

/**
 * Two pods behind one Service, of which "old" is to go. Each is of a Gateway of its own ("old", "new"), because
 * on one machine they cannot bind the same port; otherwise they are as in a cluster.
 */
export class DrainingBed {
  readonly balancer: TcpBalancer
  readonly controlPlane: ControlPlane & { readonly xds: XdsServer }
  readonly envoys: Readonly<Record<Pod, PodEnvoy>>
  /** On loopback. */
  readonly ports: Readonly<Record<Pod, number>>
  readonly #backends: readonly EchoBackend[]

  private constructor(
    fields: Pick<DrainingBed, 'balancer' | 'controlPlane' | 'envoys' | 'ports'>,
    backends: readonly EchoBackend[],
  ) {
    this.balancer = fields.balancer
    this.controlPlane = fields.controlPlane
    this.envoys = fields.envoys
    this.ports = fields.ports
    this.#backends = backends
  }

  /** @param args for Envoy, after those that the Deployment gives it */
  static async start(args: readonly string[] = []): Promise<DrainingBed> {
    const authority = issueCertificate({ commonName: 'authority', isAuthority: true })
    const leaf = issueCertificate({ commonName: 'xds', dnsNames: [serverName], issuer: authority })
    const controlPlane = createServingControlPlane({
      controllerNames: [testControllerName],
      logger: silentLogger,
      clock: systemClock,
      tls: { certificate: leaf.certificate, key: leaf.privateKey },
      authenticator: {
        authenticate(peer) {
          const [, pod = ''] = /^Bearer token-(\w+)$/.exec(peer.metadata('authorization')[0] ?? '') ?? []
          return { allowed: true, scope: `default/${pod}`, nodeId: `default/${pod}-1` }
        },
      },
    })
    const ports = { old: await findFreePort(), new: await findFreePort() }
    const backend = await startEchoBackend({ service: 'echo' })
    const { scheduler, sources, xds } = controlPlane
    scheduler.batch(() => {
      for (const pod of pods)
        sources.bindings.set(`default/${pod}` as NamespacedName, {
          listenAddress: '127.0.0.1',
          ports: { 8080: ports[pod] },
          addresses: [],
          portProblems: {},
        })
    })
    applyObjects(controlPlane, parseObjects(manifests(backend)))
    const address = await xds.listen('127.0.0.1:0')
    xds.markSynced()
    const startPod = (pod: Pod) =>
      PodEnvoy.start({
        xdsPort: Number(address.split(':').at(-1)),
        serverName,
        trustBundle: authority.certificate,
        token: `token-${pod}`,
        podName: `${pod}-1`,
        fleet: { ...testFleet, key: `default/${pod}` as NamespacedName },
        args: ['--concurrency', '1', ...args],
      })
    const envoys = { old: await startPod('old'), new: await startPod('new') }
    for (const pod of pods) await envoys[pod].ready()
    const balancer = await TcpBalancer.start()
    balancer.setTargets(pods.map((pod) => ports[pod]))
    return new DrainingBed({ balancer, controlPlane, envoys, ports }, [backend])
  }

  get url(): string {
    return `http://127.0.0.1:${this.balancer.port}`
  }

  /** Open connections of clients. */
  async countConnections(pod: Pod): Promise<number> {
    const text = await this.envoys[pod].admin(`/stats?filter=http.port-8080.*downstream_cx_active`)
    const counts = [...text.matchAll(/downstream_cx_active: (\d+)/g)].map(([, count]) => Number(count))
    return counts.reduce((sum, count) => sum + count, 0)
  }

  /**
   * What happens to the pod "old" when it is deleted, as in a cluster.
   * @param withdrawn milliseconds until nobody sends it new connections
   * @param drained milliseconds until its listeners are taken away; never unless given
   * @param held milliseconds until SIGTERM
   */
  async terminate({ withdrawn, drained, held }: { withdrawn: number; drained?: number; held: number }): Promise<void> {
    const at = (milliseconds: number, run: () => unknown) => sleep(milliseconds).then(run)
    await Promise.all([
      at(withdrawn, () => this.balancer.setTargets([this.ports.new])),
      drained !== undefined && at(drained, () => this.controlPlane.xds.drain('default/old-1')),
      at(held, () => this.envoys.old.ends('SIGTERM')),
    ])
  }

  async stop(): Promise<void> {
    await this.balancer.stop()
    await Promise.all(pods.map((pod) => this.envoys[pod].stop()))
    await this.controlPlane.xds.close()
    await Promise.all(this.#backends.map((backend) => backend.close()))
  }
}

function manifests({ address, port }: EchoBackend): string {
  return `${gatewayClassYaml}${pods.map((pod) => gatewayYaml(pod, '[{name: http, port: 8080, protocol: HTTP}]')).join('')}
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: echo, namespace: default}
spec: {endpoints: [{ip: {address: ${address}, port: ${port}}}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: echo, namespace: default}
spec:
  parentRefs: [${pods.map((pod) => `{name: ${pod}}`).join(', ')}]
  rules: [{backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: echo}]}]
`
}
