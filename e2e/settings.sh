# shellcheck shell=bash
# Which cluster, and which images in it. Sourced, never run.
#
# KUBECONFIG names a cluster that you run; it needs addresses for LoadBalancer Services that this machine reaches, and
# GATEWRIGHT_E2E_IMAGE has to name an image of the control plane that it can pull or was given ("kind load").
# Unless it is set, the cluster is the one from source (cluster/README.md).
set -euo pipefail
e2e=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(dirname "$e2e")

given_kubeconfig=${KUBECONFIG-}
# shellcheck source=cluster/env.sh
. "$e2e/cluster/env.sh"
own_cluster=1
if [[ -n $given_kubeconfig && $given_kubeconfig != "$KUBECONFIG" ]]; then
  own_cluster=0
  KUBECONFIG=$given_kubeconfig
fi
export KUBECONFIG PATH

export GATEWRIGHT_E2E_NAMESPACE=${GATEWRIGHT_E2E_NAMESPACE:-gatewright-system}
export GATEWRIGHT_E2E_GATEWAY_API=$gateway_api
# standard or experimental: the CRDs that are installed where there are none
export GATEWRIGHT_E2E_CHANNEL=${GATEWRIGHT_E2E_CHANNEL:-standard}
if ((own_cluster)); then
  envoy_image=gatewright.test/envoy:$envoy_version
  export GATEWRIGHT_E2E_NODE_IMAGE=gatewright.test/node:1
  # An address of the load balancer's pool that a Gateway may ask for.
  export GATEWRIGHT_E2E_USABLE_ADDRESS=${lb_cidr%.*}.222
  # The newest echo-basic that the suite names (all of them are one program here).
  GATEWRIGHT_E2E_ECHO_IMAGE=$(grep '/echo-basic:' "$cache/conformance-images-$gateway_api" 2>/dev/null | head -n 1 || true)
else
  envoy_image=${GATEWRIGHT_E2E_ENVOY_IMAGE:-docker.io/envoyproxy/envoy:distroless-v$envoy_version}
  export GATEWRIGHT_E2E_NODE_IMAGE=${GATEWRIGHT_E2E_NODE_IMAGE:-docker.io/library/node:26-slim}
  GATEWRIGHT_E2E_ECHO_IMAGE=${GATEWRIGHT_E2E_ECHO_IMAGE:-registry.k8s.io/gateway-api/conformance/echo-basic:v0.1.0}
fi
export GATEWRIGHT_E2E_ECHO_IMAGE own_cluster
export GATEWRIGHT_E2E_CACHE=$cache

# What changes the cluster does it alone: who comes second waits, and finds it as the first has left it.
# The lock is file descriptor 8, which no daemon may inherit.
lock_cluster() {
  mkdir -p "$cache"
  exec 8>"$cache/cluster.lock"
  flock -n 8 && return
  echo 'waiting for another make e2e-up or e2e-down' >&2
  flock 8
}
