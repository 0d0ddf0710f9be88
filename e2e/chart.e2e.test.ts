/** The chart: what it renders, what it refuses, and that it asks for no right too many. */

import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { runCommand } from './testing/command.ts'
import { systemNamespace } from './testing/gateway.ts'
import { kubectl } from './testing/kubectl.ts'

const chart = new URL('../charts/gatewright', import.meta.url).pathname

interface Rendered {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  // biome-ignore lint/suspicious/noExplicitAny: kinds differ, and a wrong field fails the test anyway
  readonly [field: string]: any
}

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly resourceNames?: readonly string[]
  readonly verbs: readonly string[]
}

async function helm(...args: readonly string[]): Promise<string> {
  const { stdout, stderr, status } = await runCommand('helm', args)
  if (status !== 0) throw new Error(stderr || stdout)
  return stdout
}

/** @param values as after `--set-json` */
async function render(...values: readonly string[]): Promise<Rendered[]> {
  const set = values.flatMap((value) => ['--set-json', value])
  const text = await helm('template', 'gatewright', chart, '--namespace', 'own', ...set)
  return parseAllDocuments(text).flatMap((document) => (document.toJS() === null ? [] : [document.toJS() as Rendered]))
}

const only = (objects: readonly Rendered[], kind: string): Rendered => {
  const found = objects.filter((object) => object.kind === kind)
  expect(found, kind).toHaveLength(1)
  return found[0] as Rendered
}

const roles = (objects: readonly Rendered[]) => objects.filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole')

const grants = (rules: readonly Rule[], resource: string, verb: string) =>
  rules.some((rule) => rule.resources.includes(resource) && rule.verbs.includes(verb))

describe('The chart', () => {
  test('passes the linter', async () => {
    expect(await helm('lint', '--strict', chart)).toContain('0 chart(s) failed')
  })

  test('runs the control plane as the strictest level of Pod Security wants it', async () => {
    const { spec } = only(await render(), 'Deployment')
    const pod = spec.template.spec
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
    expect(pod.securityContext.runAsUser).toBeGreaterThanOrEqual(10_000)
    expect(pod.containers[0].securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    expect(spec.strategy.rollingUpdate.maxUnavailable).toBe(0)
    expect(pod.containers[0].env).toContainEqual({
      name: 'NODE_OPTIONS',
      value: '--max-old-space-size-percentage=75 --max-semi-space-size=16',
    })
    expect(pod.containers[0].resources).toEqual({
      requests: { cpu: '50m', memory: '128Mi' },
      limits: { memory: '512Mi' },
    })
  })

  test('hands its values to the command', async () => {
    const objects = await render(
      'controllerNames=["a.example/one","b.example/two"]',
      'envoy={"image":"registry.example/envoy:1","pullPolicy":"Always","pullSecrets":["pull"]}',
      'watchNamespaces=["shop","blog"]',
      'image={"repository":"registry.example/gatewright","tag":"7"}',
      'extraArgs=["--without-election"]',
    )
    const [container] = only(objects, 'Deployment')['spec'].template.spec.containers
    expect(container.image).toBe('registry.example/gatewright:7')
    for (const argument of [
      '--controller-name=a.example/one',
      '--controller-name=b.example/two',
      '--envoy-image=registry.example/envoy:1',
      '--image-pull-policy=Always',
      '--image-pull-secret=pull',
      '--watch-namespace=shop',
      '--watch-namespace=blog',
      '--without-election',
    ])
      expect(container.args).toContain(argument)
    expect(only(objects, 'GatewayClass')['spec'].controllerName).toBe('a.example/one')
  })

  test('asks for no wildcard, and for no right to write what is not its own', async () => {
    for (const values of [[], ['watchNamespaces=["shop"]']]) {
      const objects = await render(...values)
      expect(roles(objects).length).toBeGreaterThan(1)
      for (const role of roles(objects)) {
        for (const { apiGroups, resources, verbs, resourceNames } of role['rules'] as Rule[]) {
          expect([...apiGroups, ...resources, ...verbs].filter((word) => word.includes('*'))).toEqual([])
          expect(verbs).not.toContain('deletecollection')
          for (const dangerous of ['escalate', 'bind', 'impersonate']) expect(verbs).not.toContain(dangerous)
          for (const resource of ['roles', 'clusterroles', 'pods/exec', 'nodes'])
            expect(resources).not.toContain(resource)
          const writes = verbs.filter((verb) => !['get', 'list', 'watch'].includes(verb))
          // Of the Gateway API, statuses only.
          if (apiGroups.includes('gateway.networking.k8s.io') && writes.length > 0)
            expect(resources.filter((resource) => !resource.endsWith('/status'))).toEqual([])
          // Of Secrets, one.
          if (resources.includes('secrets') && writes.length > 0) {
            expect(role.kind).toBe('Role')
            expect(role.metadata.namespace).toBe('own')
            expect(resourceNames).toEqual(['gatewright-xds'])
          }
        }
      }
    }
  })

  test('needs only a small ClusterRole where namespaces are named', async () => {
    const objects = await render('watchNamespaces=["shop","blog"]')
    const cluster = only(objects, 'ClusterRole')['rules'] as Rule[]
    for (const resource of ['secrets', 'services', 'configmaps', 'httproutes', 'gateways', 'deployments'])
      for (const verb of ['get', 'list', 'create', 'patch'])
        expect(grants(cluster, resource, verb), resource).toBe(false)
    expect(grants(cluster, 'tokenreviews', 'create')).toBe(true)
    const namespaced = objects.filter(({ kind, metadata }) => kind === 'Role' && metadata.namespace !== 'own')
    expect(namespaced.map(({ metadata }) => metadata.namespace).sort()).toEqual(['blog', 'shop'])
    for (const { rules } of namespaced) expect(grants(rules as Rule[], 'deployments', 'create')).toBe(true)
  })

  test('leaves out what is switched off', async () => {
    const objects = await render(
      'gatewayClass={"create":false}',
      'networkPolicy={"create":false}',
      'podDisruptionBudget={"create":false}',
      'rbac={"create":false}',
      'serviceAccount={"create":false,"name":"other"}',
    )
    const kinds = objects.map(({ kind }) => kind).sort()
    expect(kinds).toEqual(['Deployment', 'Secret', 'Service'])
    expect(only(objects, 'Deployment')['spec'].template.spec.serviceAccountName).toBe('other')
    expect((await render('replicas=1')).map(({ kind }) => kind)).not.toContain('PodDisruptionBudget')
  })

  test.each([
    ['a misspelt value', 'replica=3', 'replica'],
    ['no replica', 'replicas=0', 'replicas'],
    ['a controllerName that is no domain with a path', 'controllerNames=["gatewright"]', 'controllerNames'],
    ['no controllerName', 'controllerNames=[]', 'controllerNames'],
    ['an unknown pull policy', 'envoy={"pullPolicy":"Sometimes"}', 'pullPolicy'],
    ['a namespace that cannot be', 'watchNamespaces=["A_b"]', 'watchNamespaces'],
    ['half of a reference to parameters', 'gatewayClass={"parameters":{"name":"p"}}', 'namespace'],
  ])('refuses %s', async (_title, value, message) => {
    await expect(render(value)).rejects.toThrow(message)
  })

  test('17 is one file for kubectl, too, which the API server takes', async () => {
    const text = await helm('template', 'gatewright', chart, '--namespace', systemNamespace)
    const args = ['apply', '--server-side', '--force-conflicts', '--dry-run=server', '-f', '-']
    const said = await kubectl(args, { input: text })
    expect(said).toContain('deployment.apps/gatewright')
    expect(said).toContain('gatewayclass.gateway.networking.k8s.io/gatewright')
  })

  test('lets in proxies and nobody else to the xDS port', async () => {
    const { spec } = only(await render(), 'NetworkPolicy')
    expect(spec.policyTypes).toEqual(['Ingress', 'Egress'])
    const xds = spec.ingress.filter((rule: { ports: { port: string }[] }) => rule.ports.some((p) => p.port === 'xds'))
    expect(xds).toHaveLength(1)
    expect(xds[0].from).toHaveLength(2)
    for (const rule of spec.ingress) expect(rule.from.length).toBeGreaterThan(0)
  })
})
