#!/usr/bin/env bash
# The chart as one file for "kubectl apply --server-side": dist/install.yaml. Arguments go to helm template.
. "$(dirname "$0")/settings.sh"
command -v helm >/dev/null || "$e2e/cluster/build.sh" helm
mkdir -p "$project/dist"
{
  echo "# Gatewright, rendered from charts/gatewright. Install the CRDs of the Gateway API first (docs/install.md)."
  echo "# kubectl apply --server-side -f install.yaml"
  echo "---"
  printf 'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: %s\n  labels:\n    pod-security.kubernetes.io/enforce: restricted\n' \
    "$GATEWRIGHT_E2E_NAMESPACE"
  helm template gatewright "$project/charts/gatewright" --namespace "$GATEWRIGHT_E2E_NAMESPACE" "$@"
} >"$project/dist/install.yaml.part"
mv "$project/dist/install.yaml.part" "$project/dist/install.yaml"
echo "dist/install.yaml: $(grep -c '^kind:' "$project/dist/install.yaml") objects"
