#!/usr/bin/env bash
# need.sh TOOL...: makes sure that each tool or library is there, and installs what is missing with apt-get.
# Nothing is touched when everything is there. No service is ever started, nor enabled for the next boot.
set -euo pipefail

package_of() {
    case "$1" in
        cc) echo gcc libc6-dev ;;
        redis-cli | redis-benchmark) echo redis-tools ;;
        promtool) echo prometheus ;;
        nginx) echo nginx libnginx-mod-stream ;;
        chromedriver) echo chromium-driver ;;
        ps | pgrep) echo procps ;;
        ip) echo iproute2 ;;
        musl-gcc) echo musl-tools ;;
        dpkg-deb) echo dpkg ;;
        dpkg-shlibdeps) echo dpkg-dev ;;
        systemd-analyze) echo systemd ;;
        systemd-nspawn) echo systemd-container ;;
        libnss_wrapper.so) echo libnss-wrapper ;;
        setpriv | unshare) echo util-linux ;;
        python3) echo python3 python3-venv ;;
        *) echo "$1" ;;
    esac
}

# A name that ends in .so is a library, for LD_PRELOAD; everything else is a command.
is_there() {
    case "$1" in
        *.so) [ -n "$(find /usr/lib /usr/lib64 -name "$1*" -print -quit 2>/dev/null)" ] ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

missing_tools=()
packages=()
for tool in "$@"; do
    if ! is_there "$tool"; then
        missing_tools+=("$tool")
        read -r -a names <<<"$(package_of "$tool")"
        packages+=("${names[@]}")
    fi
done
if [ ${#missing_tools[@]} -eq 0 ]; then
    exit 0
fi

by_hand() {
    echo "need.sh: missing: ${missing_tools[*]}; $1" >&2
    echo "Install by hand, then try again:" >&2
    echo "  Debian, Ubuntu:  apt-get install --no-install-recommends ${packages[*]}" >&2
    echo "  Fedora, RHEL:    dnf install redis prometheus gcc procps-ng chromium chromedriver         (what is missing of them)" >&2
    echo "  Alpine:          apk add redis prometheus build-base procps chromium chromium-chromedriver  (what is missing of them)" >&2
    echo "  macOS:           brew install redis prometheus chromedriver                               (what is missing of them)" >&2
    exit 1
}

command -v apt-get >/dev/null 2>&1 || by_hand "this system has no apt-get"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || by_hand "you are not root, and there is no sudo"
    as_root=(sudo)
fi
run() {
    "${as_root[@]}" "$@"
}

echo "need.sh: missing: ${missing_tools[*]}; installing ${packages[*]}"

# Debian starts a service as soon as it is installed, and Redis would take 127.0.0.1:6379. policy-rc.d is
# the documented way to say no; an existing one belongs to somebody else and is left alone.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'run rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | run tee "$policy" >/dev/null
    run chmod 755 "$policy"
fi

install() {
    run env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${packages[@]}"
}
if ! run apt-get update -q; then
    echo "need.sh: apt-get update failed; trying with the lists that are there" >&2
fi
install || by_hand "apt-get could not install them (see above)"

# What was installed for tests is not meant to run at the next boot either.
if command -v systemctl >/dev/null 2>&1; then
    for package in "${packages[@]}"; do
        case "$package" in
            haproxy | nginx | redis-server | redis-sentinel | prometheus)
                run systemctl disable --quiet "$package" 2>/dev/null || true
                ;;
        esac
    done
fi

for tool in "${missing_tools[@]}"; do
    is_there "$tool" || by_hand "$tool is still not there after installing"
done
