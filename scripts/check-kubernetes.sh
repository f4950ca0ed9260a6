#!/usr/bin/env bash
# Validates deploy/kubernetes against the schemas of Kubernetes that the Python package kubernetes-validate brings: each
# version from the oldest that has what we use to the newest. Strict: a key that the schema lacks is an error.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=target/kubernetes-validate
if [ ! -x "$venv/bin/kubernetes-validate" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet 'kubernetes-validate==1.37.0'
fi
validate() {
    "$venv/bin/kubernetes-validate" --strict --quiet --kubernetes-version "$@"
}

# The kinds of kustomize and of the Prometheus Operator are not Kubernetes' own.
mapfile -t files < <(find deploy/kubernetes -name '*.yaml' \
    ! -name kustomization.yaml ! -name podmonitor.yaml ! -name rolecall.yaml | sort)

# A validator that finds nothing wrong must be seen to find something.
wrong=$(mktemp --suffix .yaml)
trap 'rm -f "$wrong"' EXIT
sed 's/maxSurge:/maxSurges:/' deploy/kubernetes/proxy/proxy.yaml >"$wrong"
if validate 1.37.0 "$wrong" >/dev/null 2>&1; then
    echo "check-kubernetes: the validator takes anything" >&2
    exit 1
fi

# preStop.sleep is in the schema since 1.29 and on by default since 1.30.
for version in 1.30.0 1.33.0 1.37.0; do
    validate "$version" "${files[@]}"
    echo "valid in Kubernetes $version: ${files[*]}"
done

# Where there is a kubectl, what kustomize makes of it all is looked at too.
if command -v "${KUBECTL:=kubectl}" >/dev/null 2>&1; then
    built=$(mktemp --suffix .yaml)
    trap 'rm -f "$wrong" "$built"' EXIT
    "$KUBECTL" kustomize deploy/kubernetes >"$built"
    validate 1.37.0 "$built"
    echo "valid as kustomize builds it: $(grep -c '^kind:' "$built") objects"
fi
