import type { HTTPHeader } from '../../gatewayapi/objects/http-filter.ts'
import { envoy } from '../../gen/envoy.js'
import { packAny } from '../any.ts'
import { buildHeader } from '../header-mutation.ts'

type HttpFilter = envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter
const { HeaderMutation } = envoy.extensions.filters.http.header_mutation.v3
const { UpstreamCodec } = envoy.extensions.filters.http.upstream_codec.v3

/**
 * The filters of a cluster, whose requests all get these headers. They may not be `Host`.
 * @param headers at least one
 */
export function buildUpstreamHeaders(headers: readonly HTTPHeader[]): HttpFilter[] {
  const requestMutations = headers.map(({ name, value }) => ({ append: buildHeader(name.toLowerCase(), value) }))
  return [
    {
      name: 'envoy.filters.http.header_mutation',
      typedConfig: packAny(HeaderMutation, { mutations: { requestMutations } }),
    },
    { name: 'envoy.filters.http.upstream_codec', typedConfig: packAny(UpstreamCodec, {}) },
  ]
}
