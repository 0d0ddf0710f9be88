/** An installation that lacks something: it is named, and the rest works. */
import process from 'node:process'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  controlPlanePods,
  countRestarts,
  readLogs,
  readMetrics,
  untilControlPlaneReady,
} from '../testing/control-plane.ts'
import { eventually } from '../testing/eventually.ts'
import { parentConditionOf, systemNamespace } from '../testing/gateway.ts'
import { find, kubectl, type LiveObject } from '../testing/kubectl.ts'
import { createWeb, type Web } from '../testing/web.ts'

const namespace = 'e2e-degraded'
const clusterRole = `${systemNamespace}-gatewright`
let web: Web
let version = 0
/** As the chart made it. */
let rules: Rule[] = []

interface Rule {
  readonly apiGroups: string[]
  readonly resources: string[]
  readonly verbs: string[]
}

/** A route is changed: it is served, and its status is told. */
async function expectServing(): Promise<void> {
  version += 1
  await web.setVersion(String(version))
  await eventually(`version ${version}`, 20_000, async () => (await web.seenVersion()) === String(version))
  await eventually('the status', 20_000, async () => {
    const condition = parentConditionOf(await find('httproute', 'web', namespace), 'Accepted')
    return condition?.status === 'True'
  })
}

async function restart(): Promise<void> {
  await kubectl(['-n', systemNamespace, 'rollout', 'restart', 'deployment/gatewright'])
  await kubectl(['-n', systemNamespace, 'rollout', 'status', 'deployment/gatewright', '--timeout=90s'], {
    limit: 100_000,
  })
  await untilControlPlaneReady()
}

async function setRules(next: readonly Rule[]): Promise<void> {
  const patch = JSON.stringify([{ op: 'replace', path: '/rules', value: next }])
  await kubectl(['patch', 'clusterrole', clusterRole, '--type=json', '-p', patch])
}

function without(resource: string, verbs: readonly string[]): Rule[] {
  return rules.flatMap((rule) => {
    if (!rule.resources.includes(resource)) return [rule]
    const others = rule.resources.filter((name) => name !== resource)
    const left = rule.verbs.filter((verb) => !verbs.includes(verb))
    return [
      ...(others.length > 0 ? [{ ...rule, resources: others }] : []),
      ...(left.length > 0 ? [{ ...rule, resources: [resource], verbs: left }] : []),
    ]
  })
}

/** Metrics of all replicas. */
async function allMetrics(): Promise<string[]> {
  return (await Promise.all((await controlPlanePods()).map(({ metadata }) => readMetrics(metadata.name)))).flat()
}

beforeAll(async () => {
  await untilControlPlaneReady()
  web = await createWeb(namespace)
  rules = ((await find('clusterrole', clusterRole)) as LiveObject)['rules'] as Rule[]
})
afterEach(async () => {
  if (rules.length > 0) await setRules(rules)
})
afterAll(() => web.remove())

describe('Without a right', () => {
  test.each([
    ['grpcroutes', 'GRPCRoute'],
    ['tlsroutes', 'TLSRoute'],
    ['tcproutes', 'TCPRoute'],
    ['udproutes', 'UDPRoute'],
    ['referencegrants', 'ReferenceGrant'],
    ['namespaces', 'Namespace'],
    ['backends', 'Backend'],
  ])(
    'to read %s, that is named in the log and in a metric, nothing restarts, and routes are served',
    async (resource, kind) => {
      await setRules(without(resource, ['get', 'list', 'watch']))
      await restart()
      await expectServing()
      expect(await countRestarts()).toBe(0)
      // The CRD of our own Backend may be absent, and then nobody asks for the right.
      if ((await kubectl(['api-resources', '-o', 'name'])).includes(resource)) {
        expect(await readLogs()).toContain(kind)
        await eventually('the metric', 15_000, async () =>
          (await allMetrics()).some(
            (line) => line.includes(`kind="${kind}"`) && line.includes('state="forbidden"') && line.endsWith(' 1'),
          ),
        )
      }
    },
  )

  test('to read CRDs, kinds are found all the same', async () => {
    await setRules(without('customresourcedefinitions', ['get', 'list', 'watch']))
    await restart()
    await expectServing()
    expect(await countRestarts()).toBe(0)
  })

  test('to write the status of a route, the Gateway is served and told all the same', async () => {
    await setRules(without('httproutes/status', ['update', 'patch']))
    await restart()
    version += 1
    await web.setVersion(String(version))
    await eventually('the change', 20_000, async () => (await web.seenVersion()) === String(version))
    await eventually('the metric', 20_000, async () =>
      (await allMetrics()).some((line) => /status_writes_total\{kind="HTTPRoute",result="denied"\} [1-9]/.test(line)),
    )
    expect(await countRestarts()).toBe(0)
    await setRules(rules)
    // What could not be written is written when the right is there, without another change.
    await eventually('the status', 90_000, async () => {
      const condition = parentConditionOf(await find('httproute', 'web', namespace), 'Accepted')
      return condition?.status === 'True'
    })
  })

  test.each(['poddisruptionbudgets', 'horizontalpodautoscalers'])(
    'to make %s, Gateways that need none are served',
    async (resource) => {
      await setRules(without(resource, ['get', 'list', 'watch', 'create', 'patch', 'delete']))
      await restart()
      await expectServing()
      expect(await countRestarts()).toBe(0)
    },
  )
})

// Deleting a CRD deletes the objects of its kind: only where nobody else has any.
describe.runIf(process.env['own_cluster'] === '1')('Without a CRD', () => {
  test.each([
    'grpcroutes',
    'tlsroutes',
    'tcproutes',
    'udproutes',
    'referencegrants',
    'backendtlspolicies',
    'listenersets',
  ])(
    'of %s, nothing restarts, routes are served, and the kind is found when it appears',
    async (plural) => {
      const name = `${plural}.gateway.networking.k8s.io`
      const crd = (await find('crd', name)) as LiveObject
      await kubectl(['delete', 'crd', name, '--timeout=60s'], { limit: 70_000 })
      try {
        await expectServing()
        await restart()
        await expectServing()
        expect(await countRestarts()).toBe(0)
      } finally {
        const { apiVersion, kind, metadata, spec } = crd
        const { labels, annotations } = metadata
        const copy = { apiVersion, kind, metadata: { name, labels, annotations }, spec }
        await kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], { input: JSON.stringify(copy) })
        // Not "kubectl wait": it fails on a CRD that has no conditions yet.
        await eventually(`the CRD ${name}`, 30_000, async () => {
          const conditions = ((await find('crd', name))?.['status']?.conditions ?? []) as Record<string, string>[]
          return conditions.some(({ type, status }) => type === 'Established' && status === 'True')
        })
      }
      await expectServing()
      const own = crd['spec'].names.kind as string
      await eventually(`${own} to be read`, 60_000, async () => {
        const lines = (await allMetrics()).filter(
          (line) => line.includes(`kind="${own}"`) && line.includes('state="synced"'),
        )
        // A kind that Gatewright does not read has no line at all.
        return lines.every((line) => line.endsWith(' 1'))
      })
    },
    180_000,
  )
})
