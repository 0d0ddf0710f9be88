import { envoy } from '../gen/envoy.js'

/**
 * "Over the stream that this came by." The bytes must stay as they are between releases: Envoy keys its
 * secret providers by them, and listeners lose their certificates when they change (envoy#47309).
 */
export const adsSource: envoy.config.core.v3.ConfigSource = {
  ads: {},
  resourceApiVersion: envoy.config.core.v3.ApiVersion.V3,
}
