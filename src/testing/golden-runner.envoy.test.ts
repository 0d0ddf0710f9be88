import { describe, expect, it } from 'vitest'
import { gatewayClassYaml, gatewayYaml, httpRouteYaml } from './builders.ts'
import { validateWithEnvoy } from './golden-runner.ts'
import { buildStaticBootstrap } from './static-bootstrap.ts'
import { translateManifests } from './static-envoy.ts'

describe('validateWithEnvoy', () => {
  const good = buildStaticBootstrap(
    translateManifests(
      gatewayClassYaml +
        gatewayYaml('web', '[{name: http, protocol: HTTP, port: 80}]') +
        httpRouteYaml('r', '  parentRefs: [{name: web}]'),
    ),
  )

  it('accepts what the builders make', async () => {
    expect(await validateWithEnvoy([['good', good]])).toEqual([])
  })

  it('names each configuration that Envoy refuses, with the reason', async () => {
    const refusals = await validateWithEnvoy([
      ['unknown field', { ...good, no_such_field: 1 }],
      ['good', good],
      ['missing cluster', withRoute({ match: { prefix: '/' }, route: { cluster: 'nobody' } })],
      ['pattern', withRoute({ match: { safe_regex: { regex: '(' } }, direct_response: { status: 500 } })],
    ])
    expect(refusals.map(({ name }) => name)).toEqual(['unknown field', 'missing cluster', 'pattern'])
    expect(refusals[0]?.message).toContain('no_such_field')
    expect(refusals[1]?.message).toContain('nobody')
    expect(refusals[2]?.message).toContain('missing )')
  })

  function withRoute(route: object): unknown {
    return JSON.parse(JSON.stringify(good), (key, value) =>
      key === 'virtual_hosts' ? [{ name: 'all', domains: ['*'], routes: [route] }] : value,
    )
  }
})
