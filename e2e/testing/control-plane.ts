import process from 'node:process'
import type { ApiProxy } from './api-proxy.ts'
import { runCommand } from './command.ts'
import { eventually } from './eventually.ts'
import { systemNamespace } from './gateway.ts'
import { find, kubectl, type LiveObject, list } from './kubectl.ts'

const selector = 'app.kubernetes.io/component=control-plane'

/** @param api for whoever asks often while something is measured: each kubectl has a tenth of a second of a core */
export async function controlPlanePods(api?: ApiProxy): Promise<LiveObject[]> {
  if (!api) return await list('pods', systemNamespace, '-l', selector)
  const path = `/api/v1/namespaces/${systemNamespace}/pods?labelSelector=${encodeURIComponent(selector)}`
  return ((await api.call('GET', path)) as { readonly items: LiveObject[] }).items
}

/** Resolves when all replicas are ready and none is ending. */
export async function untilControlPlaneReady(limit = 60_000): Promise<void> {
  await eventually('the control plane to be ready', limit, async () => {
    const deployment = await find('deployment', 'gatewright', systemNamespace)
    const pods = await controlPlanePods()
    return (
      deployment?.['status'].readyReplicas === deployment?.['spec'].replicas &&
      pods.length === deployment?.['spec'].replicas
    )
  })
}

/** How often containers of the control plane were started again, in all pods that there are. */
export async function countRestarts(): Promise<number> {
  const statuses = (await controlPlanePods()).flatMap(
    (pod) => (pod['status'].containerStatuses ?? []) as { restartCount: number }[],
  )
  return statuses.reduce((sum, { restartCount }) => sum + restartCount, 0)
}

/** The pod that writes, by the Lease; undefined while nobody does. */
export async function findLeader(): Promise<string | undefined> {
  const holder = (await find('lease', 'gatewright', systemNamespace))?.['spec']?.holderIdentity as string | undefined
  if (!holder) return undefined
  return (await controlPlanePods()).find(({ metadata }) => holder.startsWith(metadata.name))?.metadata.name
}

/**
 * The process dies at once, where this machine is the node; elsewhere it gets the shortest time that kubelet gives.
 * Then the pod goes, because a container that is started again and again has to wait longer and longer.
 */
export async function killPod(name: string, namespace = systemNamespace): Promise<void> {
  if (process.env['own_cluster'] === '1') {
    const pod = await find('pod', name, namespace)
    const id = (pod?.['status'].containerStatuses?.[0].containerID as string | undefined)?.replace('containerd://', '')
    const socket = `${process.env['GATEWRIGHT_E2E_RUN'] ?? '/run/gatewright-e2e'}/containerd.sock`
    if (id) await runCommand('ctr', ['--address', socket, '--namespace', 'k8s.io', 'task', 'kill', '-s', 'KILL', id])
  }
  await kubectl(['-n', namespace, 'delete', 'pod', name, '--grace-period=0', '--force', '--wait=false'])
}

/** One metric of one pod as text lines without comments, e.g. `gatewright_xds_nacks_total{type="Listener"} 2`. */
export async function readMetrics(pod: string): Promise<string[]> {
  const path = `/api/v1/namespaces/${systemNamespace}/pods/${pod}:19001/proxy/metrics`
  return (await kubectl(['get', '--raw', path])).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

export async function readLogs(...args: readonly string[]): Promise<string> {
  return await kubectl(['-n', systemNamespace, 'logs', '-l', selector, '--tail=-1', '--prefix', ...args])
}
