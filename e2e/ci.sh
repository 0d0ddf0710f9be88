#!/usr/bin/env bash
# The cluster part of .ci/run: a new cluster from source with this tree's Gatewright, the smoke tests with the standard
# CRDs, then the whole conformance suite with the experimental ones, whose tests are all those of the standard ones and
# more. Whatever happens, the cluster is taken down and a summary told; the status is that of the tests.
set -euo pipefail
e2e=$(cd "$(dirname "$0")" && pwd)
cd "$e2e/.."

# Always the cluster from source: what KUBECONFIG may name is nothing to be tested on by the way.
unset KUBECONFIG
# What the tests start on its own writes nothing into the tree.
export GATEWRIGHT_E2E_KEEP_REPORT=0
limit=${GATEWRIGHT_CI_SECONDS:-4500} # of 90 minutes, what "make test" leaves

# What the suite's run leaves for the summary.
results=$e2e/.out/conformance-summary.txt
rm -f "$results"

"$e2e/cluster/requirements.sh"

# One at a time on a machine: there is only one cluster, and the next run takes it down first.
exec 7>/run/gatewright-ci.lock
if ! flock -n 7; then
  echo 'waiting for another run of the tests on this machine'
  flock 7
fi

make='make --no-print-directory'
current=
current_name=
summary=()
# Children do not inherit the lock (7<&-): what a killed run leaves behind must not keep the next one waiting.
end() {
  local status=$1
  trap - EXIT
  trap '' INT TERM HUP
  if [[ -n $current ]]; then
    kill -TERM "$current" 2>/dev/null || true
    wait "$current" || true
    summary+=("$(printf '%-28s ended by a signal' "$current_name")")
  fi
  step 'cluster taken down' timeout --kill-after=10 120 $make e2e-down || status=1
  echo
  printf '%s\n' "${summary[@]}"
  cat "$results" 2>/dev/null || true
  if ((status == 0)); then echo "Cluster tests passed in $SECONDS s"; else echo "Cluster tests FAILED in $SECONDS s"; fi
  exit "$status"
}
trap 'end $?' EXIT
# A signal is not kept waiting for the end of a test.
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# step NAME COMMAND…
step() {
  local name=$1 from=$SECONDS status=0 told=passed
  shift
  echo "== $name"
  "$@" </dev/null 7<&- &
  current=$! current_name=$name
  wait "$current" || status=$?
  current=
  ((status == 0)) || told=FAILED
  ((status != 124)) || told='FAILED: out of time'
  summary+=("$(printf '%-28s %s (%d s)' "$name" "$told" "$((SECONDS - from))")")
  return "$status"
}

# within COMMAND…: ends it, and all that it started, when the time for everything is up. "exec", so that who ends the
# step ends all that, too.
within() { exec timeout --kill-after=30 "$((limit > SECONDS ? limit - SECONDS : 1))" "$@"; }

# What an earlier run or another tree has left is not what is to be tested.
step 'cluster of others taken down' within $make e2e-down
step 'cluster with Gatewright' within $make e2e-up
step 'smoke tests' within $make e2e-smoke
export GATEWRIGHT_E2E_CHANNEL=experimental
step 'experimental CRDs' within $make e2e-up
step 'journey with these CRDs' within e2e/with-cluster.sh vitest run --config e2e/vitest.config.ts e2e/journeys/x-backend
step 'conformance suite' within $make conformance
