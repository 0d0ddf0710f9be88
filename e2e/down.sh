#!/usr/bin/env bash
# Takes away what up.sh made: the whole cluster if it is ours, else the chart's release.
. "$(dirname "$0")/settings.sh"
lock_cluster
if ((own_cluster)); then
  "$e2e/cluster/down.sh" 8>&-
  exit
fi
helm uninstall gatewright --namespace "$GATEWRIGHT_E2E_NAMESPACE" --ignore-not-found --wait
kubectl delete namespace "$GATEWRIGHT_E2E_NAMESPACE" --ignore-not-found
