import { type Manifest, type RenderContext, renderHead } from './manifest.ts'

/** Who the proxies are towards the control plane. It has no rights, and its token is mounted for one audience only. */
export function renderServiceAccount(context: RenderContext): Manifest {
  return { ...renderHead(context, 'ServiceAccount'), automountServiceAccountToken: false }
}
