import { readFileSync } from 'node:fs'
import process from 'node:process'
import { packageRoot } from './base/package-root.ts'
import type { Versions } from './cli/version.ts'
import { findEnvoy } from './providers/local-envoy/envoy-binary.ts'

/** The versions of everything that takes part. */
export async function findVersions(envoyPath: string | undefined): Promise<Versions> {
  const { version } = JSON.parse(readFileSync(`${packageRoot}package.json`, 'utf8')) as {
    version: string
  }
  const envoy = await findEnvoy(envoyPath).then(
    (binary) => `${binary.version} (${binary.path})`,
    () => undefined,
  )
  return { gatewright: version, node: process.versions.node, gatewayApi: 'v1.7.0', envoy }
}
