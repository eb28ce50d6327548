#!/bin/sh
# Learn the host keys of the machines that Vagrant made, over Vagrant's own connection: .vagrant/known_hosts.
set -eu
cd "$(dirname "$0")/.."
known=.vagrant/known_hosts
: >"$known.new"
awk '/ansible_host=/ { sub("ansible_host=", "", $2); print $1, $2 }' env-local.ini | while read -r name address; do
    key=$(vagrant ssh "$name" -c 'cut -d " " -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub' </dev/null | tr -d '\r')
    echo "$address $key" >>"$known.new"
done
mv "$known.new" "$known"
