#!/usr/bin/env bash
# A cluster with the Gateway API and this tree's Gatewright in it. What is up to date is left alone.
. "$(dirname "$0")/settings.sh"
chart=$project/charts/gatewright
lock_cluster

gateway_api_there() {
  local there
  there=$(kubectl get crd gateways.gateway.networking.k8s.io -o \
    jsonpath='{.metadata.annotations.gateway\.networking\.k8s\.io/bundle-version} {.metadata.annotations.gateway\.networking\.k8s\.io/channel}' 2>/dev/null || true)
  # A cluster of somebody else keeps what it has.
  [[ $there == "v$gateway_api $GATEWRIGHT_E2E_CHANNEL" ]] || { [[ -n $there ]] && ((!own_cluster)); }
}

gateway_api() {
  local crds=$cache/crds-$gateway_api
  gateway_api_there && return
  [[ $GATEWRIGHT_E2E_CHANNEL == experimental ]] && crds+=/experimental
  # Whether an older version or another channel may follow is decided by the policy in the bundle: on a cluster
  # that exists for tests, it goes first.
  kubectl delete --ignore-not-found \
    validatingadmissionpolicybinding/safe-upgrades.gateway.networking.k8s.io \
    validatingadmissionpolicy/safe-upgrades.gateway.networking.k8s.io >/dev/null
  kubectl get crd -o name | { grep -E '\.gateway\.networking\.(x-)?k8s\.io$' || true; } |
    xargs -r kubectl delete --wait >/dev/null
  kubectl apply --server-side -k "$crds" >/dev/null
  local deadline=$((SECONDS + 30)) crds_there=(crd/{gatewayclasses,gateways}.gateway.networking.k8s.io)
  # It fails on a CRD that has no conditions yet.
  until kubectl wait --for=condition=Established --timeout=5s "${crds_there[@]}" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || { echo 'the CRDs of the Gateway API are not served' >&2; return 1; }
    sleep 0.2
  done
}

# The image without a container runtime: its name changes with its content.
image() {
  local layers content
  make --no-print-directory -C "$project" build >/dev/null
  content=$(cd "$project" && {
    find dist envoy-bootstrap -type f -print0 | sort -z | xargs -0 sha256sum
    sha256sum package-lock.json scripts/image-files.ts e2e/up.sh
  } | sha256sum | cut -c1-12)
  image_tag=dev-$content
  ctr images ls -q "name==gatewright.test/gatewright:$image_tag" | grep -q . && return
  layers=$(mktemp -d "$state/gatewright-image.XXXXXX")
  "$node_binary" "$project/scripts/image-files.ts" "$layers/app" >/dev/null
  python3 "$e2e/cluster/image.py" "$layers.tar" --name "gatewright.test/gatewright:$image_tag" \
    --layer "$cache/layers/base" --layer "$cache/layers/node" --layer "$layers" \
    --entrypoint /usr/local/bin/node --entrypoint=--disable-proto=delete --entrypoint /app/dist/main.js \
    --user 65532 --workdir /app
  "$e2e/cluster/images.sh" "$layers.tar" >/dev/null
  rm -rf "$layers" "$layers.tar"
}

forget_old_images() {
  ctr images ls -q | grep '^gatewright.test/gatewright:' | grep -v ":$image_tag$" |
    xargs -r -n 1 ctr --address "$run/containerd.sock" --namespace k8s.io images rm >/dev/null || true
}

install() {
  kubectl create namespace "$GATEWRIGHT_E2E_NAMESPACE" --dry-run=client -o yaml | kubectl apply -f - >/dev/null
  kubectl label --overwrite namespace "$GATEWRIGHT_E2E_NAMESPACE" pod-security.kubernetes.io/enforce=restricted >/dev/null
  helm upgrade --install gatewright "$chart" --namespace "$GATEWRIGHT_E2E_NAMESPACE" --wait --timeout 1m \
    --set image.repository="$image_repository",image.tag="$image_tag",envoy.image="$envoy_image" >/dev/null || {
    kubectl -n "$GATEWRIGHT_E2E_NAMESPACE" get pods >&2
    kubectl -n "$GATEWRIGHT_E2E_NAMESPACE" logs -l app.kubernetes.io/component=control-plane --tail 20 >&2 || true
    return 1
  }
}

if ((own_cluster)); then
  "$e2e/cluster/up.sh" 8>&-
  if [[ $(readlink "$cache/crds") != "crds-$gateway_api" ]]; then
    "$e2e/cluster/build.sh" conformance
    "$e2e/cluster/images.sh"
  fi
  image_repository=gatewright.test/gatewright
  step 'image of the control plane' image
else
  : "${GATEWRIGHT_E2E_IMAGE:?name an image of the control plane that the cluster can pull, e.g. registry.example/gatewright:dev}"
  [[ -d $cache/crds-$gateway_api ]] || "$e2e/cluster/build.sh" conformance
  image_repository=${GATEWRIGHT_E2E_IMAGE%:*}
  image_tag=${GATEWRIGHT_E2E_IMAGE##*:}
fi
step "Gateway API $gateway_api, $GATEWRIGHT_E2E_CHANNEL channel" gateway_api
step 'Gatewright, by its chart' install
if ((own_cluster)); then forget_old_images; fi
