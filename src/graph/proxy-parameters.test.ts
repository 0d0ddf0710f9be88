import { describe, expect, test } from 'vitest'
import {
  defaultSettings,
  type ParameterLevel,
  type ProxyParameters,
  parameterDocs,
  parseSettings,
} from './proxy-parameters.ts'

const parse = (data: Record<string, string>, level: ParameterLevel = 'gateway', base: ProxyParameters = {}) =>
  parseSettings(data, level, { ...defaultSettings, parameters: base })

function parametersOf(...given: Parameters<typeof parse>): ProxyParameters | string {
  const read = parse(...given)
  return 'settings' in read ? read.settings.parameters : read.error
}

describe('parameters', () => {
  test('are read from text', () => {
    const read = parse(
      {
        headers: 'verbose',
        internalAddresses: '10.0.0.0/8, fd00::/8\n192.0.2.1',
        minReplicas: '2',
        maxReplicas: ' 10 ',
        targetCPUUtilization: '70',
        maxUnavailable: '25%',
        serviceType: 'NodePort',
        serviceAnnotations: 'example.com/scheme: internal\n\nexample.com/cross-zone: "true"\nempty:\n',
        cpuRequest: '250m',
        cpuLimit: '2',
        memoryRequest: '128Mi',
        memoryLimit: '1G',
        concurrency: '4',
        drainSeconds: '60',
        logLevel: 'info',
        envoyImage: 'registry.example:5000/envoy@sha256:0123',
      },
      'class',
    )
    expect(read).toEqual({
      settings: {
        profile: {
          headers: 'verbose',
          internalAddresses: [
            { addressPrefix: '10.0.0.0', prefixLength: 8 },
            { addressPrefix: 'fd00::', prefixLength: 8 },
            { addressPrefix: '192.0.2.1', prefixLength: 32 },
          ],
        },
        parameters: {
          minReplicas: 2,
          maxReplicas: 10,
          targetCPUUtilization: 70,
          maxUnavailable: '25%',
          serviceType: 'NodePort',
          serviceAnnotations: Object.assign(Object.create(null), {
            'example.com/scheme': 'internal',
            'example.com/cross-zone': 'true',
            empty: '',
          }),
          cpuRequest: '250m',
          cpuLimit: '2',
          memoryRequest: '128Mi',
          memoryLimit: '1G',
          concurrency: 4,
          drainSeconds: 60,
          logLevel: 'info',
          envoyImage: 'registry.example:5000/envoy@sha256:0123',
        },
      },
    })
  })

  test.each([
    ['replicas', '0', 'has replicas: "0": use a whole number from 1 to 1000'],
    ['replicas', '1e2', 'has replicas: "1e2": use a whole number from 1 to 1000'],
    ['replicas', '-1', 'has replicas: "-1": use a whole number from 1 to 1000'],
    ['maxUnavailable', '0', 'has maxUnavailable: "0": use a number of pods from 1 up, or a percentage from 1% to 100%'],
    [
      'maxUnavailable',
      '101%',
      'has maxUnavailable: "101%": use a number of pods from 1 up, or a percentage from 1% to 100%',
    ],
    ['serviceType', 'ExternalName', 'has serviceType: "ExternalName": use LoadBalancer, NodePort or ClusterIP'],
    [
      'serviceAnnotations',
      'no colon',
      'has serviceAnnotations: "no colon": use one line "key: value" for each annotation',
    ],
    [
      'serviceAnnotations',
      '__proto__: x',
      'has serviceAnnotations: "__proto__: x": use one line "key: value" for each annotation',
    ],
    ['cpuRequest', 'much', 'has cpuRequest: "much": use a quantity such as 250m or 2'],
    ['cpuLimit', '0', 'has cpuLimit: "0": use a quantity such as 250m or 2'],
    ['memoryLimit', '1K', 'has memoryLimit: "1K": use a quantity such as 512Mi or 2Gi'],
    ['memoryLimit', '0.5Gi', 'has memoryLimit: "0.5Gi": use a quantity such as 512Mi or 2Gi'],
    ['memoryRequest', '0Mi', 'has memoryRequest: "0Mi": use a quantity such as 512Mi or 2Gi'],
    [
      'internalAddresses',
      '10.0.0.0/33',
      'has internalAddresses: "10.0.0.0/33": use ranges such as 10.0.0.0/8 or fd00::/8, separated by commas',
    ],
    [
      'internalAddresses',
      '',
      'has internalAddresses: "": use ranges such as 10.0.0.0/8 or fd00::/8, separated by commas',
    ],
    ['logLevel', 'warn', 'has logLevel: "warn": use trace, debug, info, warning, error, critical or off'],
    ['drainSeconds', '3601', 'has drainSeconds: "3601": use a whole number from 1 to 3600'],
    ['envoyImage', 'x', 'has the key "envoyImage", which only the parameters of a GatewayClass may have: remove it'],
  ])('%s: "%s" is refused with what to do', (key, text, error) => {
    expect(parse({ [key]: text })).toEqual({ error })
  })

  test('of an image are words, not options or templates', () => {
    for (const text of ['-it', '', 'a b', 'envoy$(X)', 'e\nnvoy'])
      expect(parametersOf({ envoyImage: text }, 'class')).toMatch(/use the name of an image$/)
  })

  test.each([
    [{ minReplicas: '2' }, 'has minReplicas without maxReplicas: add maxReplicas, or remove it'],
    [{ minReplicas: '3', maxReplicas: '2' }, 'has minReplicas above maxReplicas: change one of them'],
    [
      { replicas: '2', maxReplicas: '3' },
      'has replicas and maxReplicas: remove replicas to have it autoscaled, or maxReplicas',
    ],
    [{ cpuRequest: '2', cpuLimit: '1500m' }, 'has cpuRequest (50m unless given) above cpuLimit: change one of them'],
    [{ cpuLimit: '10m' }, 'has cpuRequest (50m unless given) above cpuLimit: change one of them'],
    [
      { memoryRequest: '2Gi' },
      'has memoryRequest (64Mi unless given) above memoryLimit (1Gi unless given): change one of them',
    ],
    [{ memoryRequest: '1Mi', memoryLimit: '32Mi' }, 'has memoryLimit below 64Mi: use at least 64Mi'],
  ])('that contradict each other are refused: %o', (data, error) => {
    expect(parametersOf(data)).toBe(error)
  })

  test('of a Gateway stand over those of its class', () => {
    const base = { concurrency: 4, logLevel: 'info' }
    expect(parametersOf({ concurrency: '8' }, 'gateway', base)).toEqual({ concurrency: 8, logLevel: 'info' })
  })

  test('of a Gateway end the autoscaling of its class, or the fixed number of its pods', () => {
    const scaled = { minReplicas: 2, maxReplicas: 5, targetCPUUtilization: 50, concurrency: 4 }
    expect(parametersOf({ replicas: '1' }, 'gateway', scaled)).toEqual({ replicas: 1, concurrency: 4 })
    expect(parametersOf({ maxReplicas: '9' }, 'gateway', { replicas: 3, concurrency: 4 })).toEqual({
      maxReplicas: 9,
      concurrency: 4,
    })
    expect(parametersOf({ maxReplicas: '9' }, 'gateway', scaled)).toEqual({ ...scaled, maxReplicas: 9 })
  })

  test('are all documented', () => {
    for (const { key, help, values } of parameterDocs) {
      expect(key).toMatch(/^[a-z][A-Za-z]+$/)
      expect(help).toMatch(/\.$/)
      expect(values).not.toBe('')
    }
  })
})
