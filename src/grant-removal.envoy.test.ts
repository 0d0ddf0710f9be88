import { afterAll, beforeAll, expect, it } from 'vitest'
import { gatewayYaml, httpRouteYaml, referenceGrantYaml, serviceYaml } from './testing/builders.ts'
import { type EchoBackend, startEchoBackend } from './testing/echo-backend.ts'
import { ServingFixture } from './testing/serving-fixture.ts'

/* Features: ReferenceGrant. */

const host = 'shop.example.com'
let backend: EchoBackend
let fixture: ServingFixture

beforeAll(async () => {
  backend = await startEchoBackend({ service: 'safe' })
  fixture = await ServingFixture.start(
    [
      gatewayYaml('web', '[{name: http, protocol: HTTP, port: 8080}]'),
      httpRouteYaml(
        'shop',
        `  parentRefs: [{name: web}]\n  hostnames: [${host}]\n  rules: [{backendRefs: [{name: safe, namespace: vault, port: 80}]}]`,
      ),
      serviceYaml('vault/safe'),
      `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: safe-a, namespace: vault, labels: {kubernetes.io/service-name: safe}}
addressType: IPv4
endpoints: [{addresses: [${backend.address}]}]
ports: [{port: ${backend.port}}]
`,
    ].join(''),
  )
})
afterAll(async () => {
  await fixture?.stop()
  await backend?.close()
})

it('A2: a grant that is taken away is off the wire within a second, and back within one', async () => {
  const grant = referenceGrantYaml('vault/g', ['HTTPRoute/default'], ['Service'])
  await fixture.envoy.askUntil('/', host, ['500'])
  for (let turn = 0; turn < 10; turn++) {
    for (const [change, outcome] of [
      [() => fixture.apply(grant), 'safe'],
      [() => fixture.apply('', ['ReferenceGrant', 'vault/g']), '500'],
    ] as const) {
      const start = performance.now()
      change()
      await fixture.envoy.askUntil('/', host, [outcome])
      expect(performance.now() - start).toBeLessThan(1000)
    }
  }
})
