#!/bin/sh
# Pin what the tracker runs on, each package with its hashes: deploy/requirements.lock from pyproject.toml.
#   lock.sh PIP-COMPILE
set -eu
cd "$(dirname "$0")/.."
lock=deploy/requirements.lock
"$1" --quiet --generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links --no-header \
    --output-file="$lock" pyproject.toml
{
    # shellcheck disable=SC2016 # the quotes are part of the sentence
    echo '# What the tracker runs on, pinned, each with its hashes; made by `make lock`.'
    grep -v '^# What the tracker runs on' "$lock"
} >"$lock.new"
mv "$lock.new" "$lock"
