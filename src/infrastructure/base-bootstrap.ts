import { readFileSync } from 'node:fs'
import { packageRoot } from '../base/package-root.ts'

/** Only what is added to is typed; the rest is passed on as it stands in the document. */
export interface BaseBootstrap {
  readonly admin: object
  readonly dynamic_resources: {
    readonly ads_config: { readonly grpc_services: readonly [object] }
    readonly cds_config: object
    readonly lds_config: object
  }
  readonly static_resources: { readonly clusters: readonly [XdsCluster] }
  readonly overload_manager: { readonly resource_monitors: readonly object[] }
}

/** The cluster of the control plane. */
interface XdsCluster {
  readonly typed_extension_protocol_options: {
    readonly 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': object
  }
}

/** The document that every proxy starts from, on a laptop and in a pod (envoy-bootstrap/README.md). */
export const baseBootstrap = JSON.parse(
  readFileSync(`${packageRoot}envoy-bootstrap/bootstrap.json`, 'utf8'),
) as BaseBootstrap
