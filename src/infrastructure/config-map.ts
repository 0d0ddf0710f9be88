import { contentVersion } from '../base/hash.ts'
import { parseAmountOf } from '../graph/proxy-parameters.ts'
import { buildCredentialDocument, buildPodBootstrap, buildTrustDocument, podPaths } from './bootstrap.ts'
import { type Manifest, type RenderContext, renderHead } from './manifest.ts'
import { resolveResources } from './resources.ts'

/** The configuration that Envoy starts with, and what it trusts. */
export function renderConfigMap(context: RenderContext): Manifest {
  return {
    ...renderHead(context, 'ConfigMap'),
    data: {
      'bootstrap.json': renderBootstrap(context),
      'xds-credential.json': JSON.stringify(buildCredentialDocument(podPaths.token)),
      'xds-trust.json': JSON.stringify(buildTrustDocument(context.trustBundle)),
    },
  }
}

/** A version of what Envoy reads only at its start. The trusted certificates are not in it: they are read again. */
export function bootstrapVersion(context: RenderContext): string {
  return contentVersion(renderBootstrap(context))
}

function renderBootstrap({ fleet, options }: RenderContext): string {
  const { host, port } = splitAddress(options.xdsAddress)
  const { memoryLimit } = resolveResources(fleet.parameters)
  return JSON.stringify(
    buildPodBootstrap({
      xds: { host, port, serverName: options.xdsServerName ?? host },
      listenAddress: options.listenAddress,
      // The rest of the limit is for what is not heap: stacks, code, buffers of the kernel.
      maxHeapBytes: Math.floor(parseAmountOf(memoryLimit) * 0.9),
    }),
  )
}

function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) }
}
