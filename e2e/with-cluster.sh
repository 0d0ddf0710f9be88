#!/usr/bin/env bash
# with-cluster.sh COMMAND…: runs it with the KUBECONFIG, the PATH and the image names of the end-to-end tests.
. "$(dirname "$0")/settings.sh"
kubectl get --raw /readyz >/dev/null 2>&1 || { echo 'there is no cluster: run "make e2e-up" first' >&2; exit 1; }
exec "$@"
