#!/bin/sh
# The system packages that the tests use: installed as root on Debian or Ubuntu, otherwise named.
set -eu
packages="dash groff-base busybox mawk gawk original-awk openssh-server openssh-client iproute2 rsyslog strace openssl procps util-linux tzdata postgresql"
# Real hosts, for `make test-hosts` alone.
if [ "${1:-}" = hosts ]; then packages="$packages debootstrap systemd-container vagrant"; fi
# A browser to look at pages, and readers of what is shipped, for `make test-parts` alone.
if [ "${1:-}" = parts ]; then packages="$packages chromium ruby"; fi
missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then # the tests start the sshd's they need; this machine is to get no service from them
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    apt-get -qq update
    # shellcheck disable=SC2086 # one word per package
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -y $missing >/dev/null
else
    echo "missing system packages:$missing (tests that need them are skipped and say so)" >&2
fi
