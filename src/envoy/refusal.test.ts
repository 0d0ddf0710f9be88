import { describe, expect, it } from 'vitest'
import { silentLogger } from '../base/logger.ts'
import { bindToOwnPorts } from '../bind-to-own-ports.ts'
import { createOfflineControlPlane } from '../control-plane.ts'
import {
  applyObjects,
  gatewayClassYaml,
  gatewayYaml,
  httpRouteYaml,
  parseObjects,
  testControllerName,
} from '../testing/builders.ts'
import type { ResourceAck } from '../xds/acks.ts'
import { resourceKey, typeUrls } from '../xds/resource.ts'
import { createRefusals } from './refusal.ts'

const source = 'gateway.networking.k8s.io/HTTPRoute/default/cart'

function setUp() {
  const controlPlane = createOfflineControlPlane({
    controllerNames: [testControllerName],
    logger: silentLogger,
    rethrow: true,
  })
  bindToOwnPorts(controlPlane)
  const { scheduler, resources } = controlPlane
  const verdicts = scheduler.source<string, ResourceAck>('verdicts')
  const refusals = createRefusals(scheduler, resources, verdicts)
  const route = `  parentRefs: [{name: edge}]\n  rules: [{backendRefs: [{name: cart, port: 80}]}]`
  const yaml =
    gatewayClassYaml + gatewayYaml('edge', '[{name: http, port: 80, protocol: HTTP}]') + httpRouteYaml('cart', route)
  applyObjects(controlPlane, parseObjects(yaml))
  const key = resourceKey('default/edge', 'port-80')
  const refuse = (version: string) =>
    scheduler.batch(() => verdicts.set(`${typeUrls.route}\n${key}`, { rejected: { version, message: 'bad table' } }))
  return { scheduler, verdicts, refusals, refuse, version: resources.route.get(key)?.version as string, key }
}

describe('a refusal', () => {
  it('is told to the objects that the refused resource came from', () => {
    const { refusals, refuse, version } = setUp()
    refuse(version)
    expect(refusals.lookup(source).map((r) => r.message)).toEqual([
      'Envoy refused RouteConfiguration "port-80": bad table',
    ])
  })

  it('whose culprits are known is told to them alone', () => {
    const { scheduler, verdicts, refusals, version, key } = setUp()
    const culprit = {
      name: 'shop.example.com',
      sources: ['gateway.networking.k8s.io/HTTPRoute/default/shop'],
      message: 'no',
    }
    const rejected = { version, message: 'bad table', culprits: [culprit] }
    scheduler.batch(() => verdicts.set(`${typeUrls.route}\n${key}`, { rejected }))
    expect(refusals.lookup(source)).toEqual([])
    expect(refusals.lookup(culprit.sources[0] as string).map((r) => r.message)).toEqual([
      'Envoy refused virtual host "shop.example.com" of RouteConfiguration "port-80": no',
    ])
  })

  it('of a version that is not wanted any more is told to nobody', () => {
    const { refusals, refuse } = setUp()
    refuse('earlier')
    expect(refusals.lookup(source)).toEqual([])
  })

  it('ends when the proxy accepts', () => {
    const { scheduler, verdicts, refusals, refuse, version, key } = setUp()
    refuse(version)
    scheduler.batch(() => verdicts.set(`${typeUrls.route}\n${key}`, { ackedVersion: version }))
    expect(refusals.lookup(source)).toEqual([])
  })
})
