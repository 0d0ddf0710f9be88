import { describe, expect, it } from 'vitest'
import { missingCluster } from '../envoy/names.ts'
import { gatewayClassYaml, gatewayYaml, httpRouteYaml, tlsSecretYaml } from './builders.ts'
import { issueCertificate } from './certificates.ts'
import { buildStaticBootstrap, buildStaticBootstraps } from './static-bootstrap.ts'
import { translateManifests } from './static-envoy.ts'

const backend = (name: string, endpoint: string) => `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: ${name}}
spec: {endpoints: [${endpoint}]}
---
`
const listeners = '[{name: http, protocol: HTTP, port: 80}]'
const ref = (name: string) => `{group: gateway.envoyproxy.io, kind: Backend, name: ${name}}`
const route = (...names: string[]) =>
  httpRouteYaml('r', `  parentRefs: [{name: web}]\n  rules: [{backendRefs: [${names.map(ref).join(', ')}]}]`)
const base = gatewayClassYaml + gatewayYaml('web', listeners) + backend('one', '{ip: {address: 10.0.0.1, port: 80}}')

interface Parts {
  static_resources: { listeners: object[]; clusters: object[]; secrets: object[] }
}
const build = (yaml: string) => buildStaticBootstrap(translateManifests(yaml)) as unknown as Parts
const manager = 'filter_chains[0].filters[0].typed_config'

describe('buildStaticBootstrap', () => {
  it('puts tables and endpoints where they are used', () => {
    const { listeners, clusters } = build(base + route('one')).static_resources
    expect(listeners[0]).not.toHaveProperty(`${manager}.rds`)
    expect(listeners[0]).toHaveProperty(`${manager}.route_config.name`, 'port-80')
    expect(listeners[0]).not.toHaveProperty(`${manager}.route_config.validate_clusters`)
    expect(clusters[0]).not.toHaveProperty('eds_cluster_config')
    expect(clusters[0]).toMatchObject({
      type: 'STATIC',
      load_assignment: {
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '10.0.0.1' } } } }] }],
      },
    })
  })

  it('lets Envoy check that clusters exist, unless one is meant to be missing', () => {
    const { listeners } = build(base + route('one', 'nobody')).static_resources
    expect(JSON.stringify(listeners)).toContain(missingCluster)
    expect(listeners[0]).toHaveProperty(`${manager}.route_config.validate_clusters`, false)
  })

  it('leaves clusters with names of hosts as they are', () => {
    const { clusters } = build(
      base + backend('slow', '{fqdn: {hostname: slow.test, port: 80}}') + route('slow'),
    ).static_resources
    expect(clusters[0]).toMatchObject({ type: 'STRICT_DNS' })
  })

  it('takes certificates from its own secrets, with their keys', () => {
    const { certificate, privateKey } = issueCertificate({ dnsNames: ['a.test'] })
    const tls = gatewayYaml(
      'web',
      '[{name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: cert}]}}]',
    )
    const { listeners, secrets } = build(
      gatewayClassYaml + tls + tlsSecretYaml('cert', certificate, privateKey),
    ).static_resources
    expect(JSON.stringify(listeners)).not.toContain('sds_config"')
    expect(JSON.stringify(listeners)).toContain('"tls_certificate_sds_secret_configs":[{"name":"Secret/default/cert"}]')
    expect(secrets[0]).toHaveProperty('tls_certificate.private_key', { inline_string: privateKey })
  })

  it('says which table is missing', () => {
    const resources = translateManifests(base + route('one')).filter((r) => !r.typeUrl.endsWith('RouteConfiguration'))
    expect(() => buildStaticBootstrap(resources)).toThrow(/"port-80"/)
  })
})

describe('buildStaticBootstraps', () => {
  it('makes one for each Gateway', () => {
    const all = buildStaticBootstraps(translateManifests(base + gatewayYaml('admin', listeners)))
    expect([...all.keys()]).toEqual(['default/admin', 'default/web'])
  })
})
