#!/usr/bin/env bash
# Takes away what up.sh made: the whole cluster if it is ours, else the chart's release.
. "$(dirname "$0")/settings.sh"
if ((own_cluster)); then exec "$e2e/cluster/down.sh"; fi
helm uninstall gatewright --namespace "$GATEWRIGHT_E2E_NAMESPACE" --ignore-not-found --wait
kubectl delete namespace "$GATEWRIGHT_E2E_NAMESPACE" --ignore-not-found
