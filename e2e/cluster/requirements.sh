#!/usr/bin/env bash
# Says what the cluster from source needs and this machine has not; status 1 if that is anything.
. "$(dirname "$0")/env.sh"

missing=()
((EUID == 0)) || missing+=("root: a node's network, mounts and containers are made (this is $(id -un))")
[[ $(uname -s) == Linux ]] || missing+=("Linux (this is $(uname -s))")
command -v apt-get >/dev/null || missing+=('Debian: containerd, runc and CNI plugins come from its packages (there is no apt-get)')
command -v go >/dev/null || missing+=('Go 1.26 or newer: it builds Kubernetes (https://go.dev/dl, unpacked to /usr/local/go)')
command -v python3 >/dev/null || missing+=('python3')
[[ -n $node_binary ]] || missing+=('Node.js 24 or newer: "make deps" brings it')
((${#missing[@]} == 0)) && exit
echo 'The cluster from source cannot be made here. Missing:' >&2
printf '  %s\n' "${missing[@]}" >&2
echo 'KUBECONFIG may name another cluster for "make e2e" (e2e/README.md).' >&2
exit 1
