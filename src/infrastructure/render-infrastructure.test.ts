import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import { testFleet, testOptions } from '../testing/pod-envoy.ts'
import { listAddressRequests } from './address-request.ts'
import { gatewayClassNameLabel, gatewayNameLabel, gatewayUidLabel } from './labels.ts'
import type { InfrastructureKind, Manifest } from './manifest.ts'
import type { ProxyFleet } from './proxy-fleet.ts'
import { renderInfrastructure } from './render-infrastructure.ts'

const trustBundle = '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n'

function render(more: Partial<ProxyFleet> = {}, bundle = trustBundle): Readonly<Record<InfrastructureKind, Manifest>> {
  const manifests = renderInfrastructure({
    fleet: { ...testFleet, ...more },
    options: testOptions,
    trustBundle: bundle,
  })
  return Object.fromEntries(manifests.map((m) => [m.kind, m])) as Record<InfrastructureKind, Manifest>
}

const ask = (...values: string[]) => listAddressRequests(values.map((value) => ({ type: 'IPAddress', value })))

const specOf = (manifest: Manifest) => manifest['spec'] as Record<string, unknown>
const podOf = (manifest: Manifest) =>
  specOf(manifest)['template'] as {
    metadata: { labels: Record<string, string>; annotations: Record<string, string> }
    spec: { containers: [Record<string, unknown> & { args: string[] }]; terminationGracePeriodSeconds: number }
  }

describe('everything for a Gateway', () => {
  test('is a Service, a ServiceAccount, a ConfigMap and a Deployment of one name, owned by the Gateway', () => {
    const manifests = Object.values(render())
    expect(manifests.map((m) => m.kind)).toEqual(['Service', 'ServiceAccount', 'ConfigMap', 'Deployment'])
    for (const { metadata } of manifests)
      expect(metadata).toEqual({
        name: 'edge-gatewright',
        namespace: 'shop',
        labels: {
          'app.kubernetes.io/name': 'edge-gatewright',
          'app.kubernetes.io/instance': 'edge',
          'app.kubernetes.io/component': 'proxy',
          'app.kubernetes.io/managed-by': 'gatewright',
          [gatewayNameLabel]: 'edge',
          [gatewayClassNameLabel]: 'gatewright',
          [gatewayUidLabel]: testFleet.uid,
        },
        ownerReferences: [
          {
            apiVersion: 'gateway.networking.k8s.io/v1',
            kind: 'Gateway',
            name: 'edge',
            uid: testFleet.uid,
            controller: true,
            blockOwnerDeletion: false,
          },
        ],
      })
  })

  test('and its pods have the labels and annotations of the Gateway, which never change who is selected', () => {
    const manifests = render({
      labels: { team: 'blue', 'app.kubernetes.io/name': 'gloo-proxy-http', [gatewayNameLabel]: 'other' },
      annotations: { note: 'yes', 'prometheus.io/scrape': 'false', 'gatewright.dev/bootstrap-version': 'mine' },
      parameters: { maxReplicas: 3, maxUnavailable: 1 },
    })
    const pod = podOf(manifests.Deployment)
    expect(Object.keys(manifests)).toHaveLength(6)
    for (const { metadata } of [...Object.values(manifests), pod]) {
      expect(metadata.labels).toMatchObject({ team: 'blue', 'app.kubernetes.io/name': 'gloo-proxy-http' })
      expect(metadata.labels[gatewayNameLabel]).toBe('edge')
      expect(metadata.annotations).toMatchObject({ note: 'yes', 'prometheus.io/scrape': 'false' })
    }
    expect(pod.metadata.annotations['gatewright.dev/bootstrap-version']).not.toBe('mine')
    expect(specOf(manifests.Deployment)['selector']).toEqual({
      matchLabels: { [gatewayNameLabel]: 'edge', [gatewayClassNameLabel]: 'gatewright' },
    })
    expect(specOf(manifests.Service)['selector']).toEqual({
      [gatewayNameLabel]: 'edge',
      [gatewayUidLabel]: testFleet.uid,
    })
  })

  test('has names and labels that fit, however long those of the Gateway are', () => {
    const name = `${'long.'.repeat(50)}end`
    expect(name).toHaveLength(253)
    const manifests = Object.values(render({ key: `shop/${name}` as NamespacedName, className: 'c'.repeat(253) }))
    for (const { metadata } of manifests) {
      expect(metadata.name).toMatch(/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/)
      for (const value of Object.values(metadata.labels))
        expect(value).toMatch(/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/)
    }
  })
})

describe('the Deployment', () => {
  test('runs stock Envoy under the restricted pod security standard, with one token for one audience', () => {
    const text = stringify(specOf(render().Deployment), { aliasDuplicateObjects: false })
    const { 'gatewright.dev/bootstrap-version': version = '' } = podOf(render().Deployment).metadata.annotations
    expect(version).toMatch(/^[-\w]{11}$/)
    expect(text.replace(version, 'VERSION')).toMatchInlineSnapshot(`
      "selector:
        matchLabels:
          gateway.networking.k8s.io/gateway-name: edge
          gateway.networking.k8s.io/gateway-class-name: gatewright
      strategy:
        type: RollingUpdate
        rollingUpdate:
          maxSurge: 25%
          maxUnavailable: 0
      template:
        metadata:
          labels:
            app.kubernetes.io/name: edge-gatewright
            app.kubernetes.io/instance: edge
            app.kubernetes.io/component: proxy
            app.kubernetes.io/managed-by: gatewright
            gateway.networking.k8s.io/gateway-name: edge
            gateway.networking.k8s.io/gateway-class-name: gatewright
            gatewright.dev/gateway-uid: 5f1c3f0e-0000-4000-8000-000000000001
          annotations:
            prometheus.io/scrape: "true"
            prometheus.io/port: "19003"
            prometheus.io/path: /stats/prometheus
            gatewright.dev/bootstrap-version: VERSION
        spec:
          serviceAccountName: edge-gatewright
          automountServiceAccountToken: false
          enableServiceLinks: false
          terminationGracePeriodSeconds: 45
          securityContext:
            runAsNonRoot: true
            runAsUser: 65532
            runAsGroup: 65532
            fsGroup: 65532
            seccompProfile:
              type: RuntimeDefault
          topologySpreadConstraints:
            - maxSkew: 1
              topologyKey: topology.kubernetes.io/zone
              whenUnsatisfiable: ScheduleAnyway
              labelSelector:
                matchLabels:
                  gateway.networking.k8s.io/gateway-name: edge
                  gateway.networking.k8s.io/gateway-class-name: gatewright
              matchLabelKeys:
                - pod-template-hash
            - maxSkew: 1
              topologyKey: kubernetes.io/hostname
              whenUnsatisfiable: ScheduleAnyway
              labelSelector:
                matchLabels:
                  gateway.networking.k8s.io/gateway-name: edge
                  gateway.networking.k8s.io/gateway-class-name: gatewright
              matchLabelKeys:
                - pod-template-hash
          containers:
            - name: envoy
              image: envoyproxy/envoy:distroless-v1.40.0
              args:
                - --config-path
                - /etc/gatewright/bootstrap.json
                - --service-node
                - $(POD_NAMESPACE)/$(POD_NAME)
                - --service-cluster
                - shop/edge
                - --concurrency
                - "2"
                - --log-level
                - warning
                - --drain-time-s
                - "60"
                - --drain-strategy
                - immediate
                - --disable-hot-restart
                - --skip-deprecated-logs
                - --ignore-unknown-dynamic-fields
              env:
                - name: POD_NAME
                  valueFrom:
                    fieldRef:
                      fieldPath: metadata.name
                - name: POD_NAMESPACE
                  valueFrom:
                    fieldRef:
                      fieldPath: metadata.namespace
              ports:
                - name: metrics
                  containerPort: 19003
                  protocol: TCP
              resources:
                requests:
                  cpu: 50m
                  memory: 64Mi
                limits:
                  memory: 1Gi
              securityContext:
                allowPrivilegeEscalation: false
                capabilities:
                  drop:
                    - ALL
                privileged: false
                readOnlyRootFilesystem: true
                runAsNonRoot: true
                seccompProfile:
                  type: RuntimeDefault
              readinessProbe:
                httpGet:
                  path: /ready
                  port: 19003
                periodSeconds: 1
                timeoutSeconds: 5
                failureThreshold: 3
              lifecycle:
                preStop:
                  sleep:
                    seconds: 35
              volumeMounts:
                - name: configuration
                  mountPath: /etc/gatewright
                  readOnly: true
                - name: xds-token
                  mountPath: /var/run/secrets/gatewright.dev/xds
                  readOnly: true
          volumes:
            - name: configuration
              configMap:
                name: edge-gatewright
            - name: xds-token
              projected:
                sources:
                  - serviceAccountToken:
                      audience: gatewright-xds
                      expirationSeconds: 3600
                      path: token
      "
    `)
  })

  test('leaves the number of pods to others unless the parameters give it', () => {
    expect(specOf(render().Deployment)).not.toHaveProperty('replicas')
    expect(specOf(render({ parameters: { maxReplicas: 5 } }).Deployment)).not.toHaveProperty('replicas')
    expect(specOf(render({ parameters: { replicas: 3 } }).Deployment)).toHaveProperty('replicas', 3)
  })

  test('has the same pods when listeners or trusted certificates change', () => {
    const { Deployment } = render()
    expect(render({ ports: [80, 443], listens: [] }).Deployment).toEqual(Deployment)
    expect(render({ addresses: ask('192.0.2.1') }).Deployment).toEqual(Deployment)
    expect(render({}, 'another').Deployment).toEqual(Deployment)
    expect(render({}, 'another').ConfigMap).not.toEqual(render().ConfigMap)
  })

  test('has other pods when the bootstrap changes', () => {
    const version = (more: Partial<ProxyFleet>) =>
      podOf(render(more).Deployment).metadata.annotations['gatewright.dev/bootstrap-version']
    expect(version({ parameters: { memoryLimit: '2Gi' } })).not.toBe(version({}))
  })

  test('follows the parameters', () => {
    const parameters = {
      cpuRequest: '1',
      cpuLimit: '2',
      memoryRequest: '1Gi',
      memoryLimit: '2Gi',
      concurrency: 4,
      logLevel: 'debug',
      envoyImage: 'registry.example/envoy:1.39',
      drainSeconds: 120,
    }
    const { spec } = podOf(render({ parameters }).Deployment)
    const [container] = spec.containers
    expect(container['image']).toBe('registry.example/envoy:1.39')
    expect(container['resources']).toEqual({
      requests: { cpu: '1', memory: '1Gi' },
      limits: { cpu: '2', memory: '2Gi' },
    })
    expect(container.args.join(' ')).toContain('--concurrency 4 --log-level debug --drain-time-s 120 ')
    expect(container['lifecycle']).toEqual({ preStop: { sleep: { seconds: 125 } } })
    expect(spec.terminationGracePeriodSeconds).toBe(135)
    const { 'bootstrap.json': bootstrap = '' } = render({ parameters }).ConfigMap['data'] as Record<string, string>
    expect(bootstrap).toContain(`"max_heap_size_bytes":"${Math.floor(2 * 1024 ** 3 * 0.9)}"`)
  })
})

describe('the Service', () => {
  const listens: ProxyFleet['listens'] = [
    { port: 53, transport: 'TCP', protocol: 'tcp' },
    { port: 53, transport: 'UDP', protocol: 'udp' },
    { port: 80, transport: 'TCP', protocol: 'http' },
    { port: 8080, transport: 'TCP', protocol: 'http' },
    { port: 65535, transport: 'TCP', protocol: 'https' },
  ]
  const ports = [53, 80, 8080, 65535]

  test('has the ports of the listeners, each once, and says nothing of what others set', () => {
    const text = stringify(specOf(render({ listens, ports }).Service))
    expect(text).toMatchInlineSnapshot(`
      "type: LoadBalancer
      selector:
        gateway.networking.k8s.io/gateway-name: edge
        gatewright.dev/gateway-uid: 5f1c3f0e-0000-4000-8000-000000000001
      ipFamilyPolicy: PreferDualStack
      ports:
        - name: tcp-53
          port: 53
          protocol: TCP
          targetPort: 10053
        - name: udp-53
          port: 53
          protocol: UDP
          targetPort: 10053
        - name: http-80
          port: 80
          protocol: TCP
          targetPort: 10080
        - name: http-8080
          port: 8080
          protocol: TCP
          targetPort: 8080
        - name: https-65535
          port: 65535
          protocol: TCP
          targetPort: 65535
      "
    `)
  })

  test('has port names that Kubernetes takes', () => {
    const names = (specOf(render({ listens, ports }).Service)['ports'] as { name: string }[]).map((p) => p.name)
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(name).toMatch(/^(?=.{1,15}$)[a-z]([-a-z0-9]*[a-z0-9])?$/)
  })

  test('asks for the address that the Gateway asks for', () => {
    const addresses = ask('192.0.2.1')
    expect(specOf(render({ addresses }).Service)['loadBalancerIP']).toBe('192.0.2.1')
    const parameters = { serviceType: 'ClusterIP' } as const
    expect(specOf(render({ addresses, parameters }).Service)).not.toHaveProperty('loadBalancerIP')
  })

  test('is followed by one for each further address, for that address alone', () => {
    const listServices = (addresses: ProxyFleet['addresses'], parameters = {}) =>
      renderInfrastructure({ fleet: { ...testFleet, addresses, parameters }, options: testOptions, trustBundle })
        .filter(({ kind }) => kind === 'Service')
        .map((manifest) => ({ labels: manifest.metadata.labels, ...specOf(manifest) }))
    const [first, second, third] = listServices(ask('192.0.2.1', '192.0.2.2', '2001:db8::1'))
    const { ipFamilyPolicy, loadBalancerIP, ...rest } = first as Record<string, unknown>
    expect({ ipFamilyPolicy, loadBalancerIP }).toEqual({
      ipFamilyPolicy: 'PreferDualStack',
      loadBalancerIP: '192.0.2.1',
    })
    const alone = { ...rest, ipFamilyPolicy: 'SingleStack' }
    expect(second).toEqual({ ...alone, ipFamilies: ['IPv4'], loadBalancerIP: '192.0.2.2' })
    expect(third).toEqual({ ...alone, ipFamilies: ['IPv6'], loadBalancerIP: '2001:db8::1' })
    expect(listServices(ask('10.96.0.7'), { serviceType: 'NodePort' })).toEqual([
      { ...rest, type: 'NodePort', ipFamilyPolicy: 'PreferDualStack' },
      { ...alone, type: 'ClusterIP', ipFamilies: ['IPv4'], clusterIP: '10.96.0.7' },
    ])
  })

  test('has a type and annotations of its own where the parameters say so', () => {
    const { Service, Deployment } = render({
      annotations: { a: 'gateway', b: 'gateway' },
      parameters: { serviceType: 'NodePort', serviceAnnotations: { b: 'service' } },
    })
    expect(specOf(Service)['type']).toBe('NodePort')
    expect(Service.metadata.annotations).toEqual({ a: 'gateway', b: 'service' })
    expect(Deployment.metadata.annotations).toEqual({ a: 'gateway', b: 'gateway' })
  })
})

describe('the HorizontalPodAutoscaler', () => {
  test('is there when the parameters give the most pods', () => {
    const { HorizontalPodAutoscaler } = render({
      parameters: { minReplicas: 2, maxReplicas: 9, targetCPUUtilization: 60 },
    })
    expect(specOf(HorizontalPodAutoscaler)).toEqual({
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'edge-gatewright' },
      minReplicas: 2,
      maxReplicas: 9,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 60 } } },
      ],
    })
  })
})

describe('the PodDisruptionBudget', () => {
  test.each([
    ['no parameters', {}, undefined],
    ['one pod', { replicas: 1 }, undefined],
    ['two pods', { replicas: 2 }, 1],
    ['an autoscaler that goes down to one', { maxReplicas: 5 }, undefined],
    ['an autoscaler that keeps two', { minReplicas: 2, maxReplicas: 5 }, 1],
    ['an explicit share', { maxUnavailable: '25%' }, '25%'],
  ])('with %s', (_, parameters, maxUnavailable) => {
    const { PodDisruptionBudget } = render({ parameters })
    if (maxUnavailable === undefined) expect(PodDisruptionBudget).toBeUndefined()
    else expect(specOf(PodDisruptionBudget)).toMatchObject({ maxUnavailable })
  })
})
