import process from 'node:process'
import { expect, test } from 'vitest'
import { silentLogger } from '../base/logger.ts'
import { createOfflineControlPlane } from '../control-plane.ts'
import type { KubernetesObject } from '../gatewayapi/kinds.ts'
import { namespacedName } from '../gatewayapi/object-key.ts'
import { createSink } from '../object-sink.ts'
import { applyObjects, gatewayClassYaml, keyOf, parseObjects, testControllerName } from '../testing/builders.ts'
import { pickRoute } from '../testing/envoy-table.ts'
import { makeCase, mostServices, type RouteSetCase } from '../testing/random-route-set.ts'
import { findOutcome, type Outcome } from '../testing/reference-matcher.ts'
import { buildGateway, buildRoute, buildService } from '../testing/route-set-objects.ts'
import { resourceKey } from '../xds/resource.ts'
import type { Json } from './proto-json.ts'
import { renderResource } from './proto-json.ts'

/*
 * Random routes on random listeners: what the translation makes of them picks the rule that the specification
 * picks. GATEWRIGHT_ROUTE_SETS asks for another number of sets.
 */

const sets = Number(process.env['GATEWRIGHT_ROUTE_SETS'] ?? 2500)
const requestsPerSet = 40

/** One control plane that is given set after set, as if a user edited without end. */
class Translator {
  readonly #plane = createOfflineControlPlane({
    controllerNames: [testControllerName],
    logger: silentLogger,
    rethrow: true,
  })
  #current: readonly KubernetesObject[] = []

  constructor() {
    const { fleets, scheduler, sources } = this.#plane
    fleets.subscribe((changes) => {
      scheduler.batch(() => {
        for (const { key } of changes)
          sources.bindings.set(key, { listenAddress: '127.0.0.1', ports: {}, addresses: [], portProblems: {} })
      })
    })
    const services = ['m', 'n'].flatMap((namespace) =>
      Array.from({ length: mostServices }, (_, service) => buildService(namespace, service)),
    )
    applyObjects(this.#plane, [...parseObjects(gatewayClassYaml), ...services])
  }

  /** The table of the set's port. */
  translate(set: RouteSetCase): Json {
    const objects = [buildGateway('g', new Map([[80, set]])), ...set.routes.map((r) => buildRoute(r, 'g', 80))]
    const idOf = (object: KubernetesObject) => `${object.kind}/${keyOf(object)}`
    const kept = new Set(objects.map(idOf))
    const gone = this.#current.filter((object) => !kept.has(idOf(object)))
    createSink(this.#plane).apply([
      ...gone.map((object) => ({ kind: object.kind, key: keyOf(object), object: undefined })),
      ...objects.map((object) => ({ kind: object.kind, key: keyOf(object), object })),
    ])
    this.#current = objects
    const table = this.#plane.resources.route.get(resourceKey(namespacedName('m', 'g'), 'port-80'))
    return table === undefined ? { virtual_hosts: [] } : (renderResource(table) as Json)
  }
}

function outcomeOf(route: ReturnType<typeof pickRoute>): Outcome {
  if (route === undefined) return 'not found'
  if (route['direct_response'] !== undefined) return 'failure'
  const { cluster = '' } = route['route'] as unknown as { cluster?: string }
  const service = /^Service\/[mn]\/s(\d+)\/80\//.exec(cluster)?.[1]
  if (service === undefined) throw new Error(`an unexpected Route: ${JSON.stringify(route)}`)
  return Number(service)
}

test(
  `${sets * requestsPerSet} requests to ${sets} random sets of routes get the rule that the specification says`,
  () => {
    const translator = new Translator()
    const found = { rules: 0, failures: 0, 'not found': 0 }
    for (let seed = 1; seed <= sets; seed++) {
      const { set, requests } = makeCase(seed, requestsPerSet)
      const table = translator.translate(set)
      for (const request of requests) {
        const expected = findOutcome(set, request)
        const actual = outcomeOf(pickRoute(table, request))
        if (actual !== expected)
          expect.fail(
            `seed ${seed}: ${JSON.stringify(request)} goes to ${actual}, not ${expected}, of\n${JSON.stringify(set, null, 1)}\n${JSON.stringify(table, null, 1)}`,
          )
        if (expected === 'not found') found['not found']++
        else if (expected === 'failure') found.failures++
        else found.rules++
      }
    }
    // A test in which nothing ever matches would pass as well.
    expect(found.rules).toBeGreaterThan(sets * 5)
    expect(found.failures).toBeGreaterThan(sets)
    expect(found['not found']).toBeGreaterThan(sets)
  },
  Math.max(600_000, sets * 60),
)
