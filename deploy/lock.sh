#!/bin/sh
# Pin what the tracker runs on, each package with its hashes: deploy/requirements.lock from pyproject.toml, and what each
# part adds to it: deploy/requirements-PART.lock.  What a part has in common with the tracker is the same version.
#   lock.sh PIP-COMPILE
set -eu
cd "$(dirname "$0")/.."

# compile FILE FURTHER-OPTION...
compile() {
    file=$1
    shift
    "$pip_compile" --quiet --generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links --no-header \
        --output-file="$file" "$@" pyproject.toml
}

# said FILE FIRST-LINE: the file with its first line, written whole
said() {
    {
        echo "$2"
        grep -v '^# What ' "$1"
    } >"$1.new"
    mv "$1.new" "$1"
}

pip_compile=$1
lock=deploy/requirements.lock
compile "$lock"
# shellcheck disable=SC2016 # the quotes are part of the sentence
said "$lock" '# What the tracker runs on, pinned, each with its hashes; made by `make lock`.'
parts='calendars sqs web' # separated by blanks
for part in $parts; do
    added=deploy/requirements-$part.lock
    compile "$added" --extra "$part" --constraint "$lock"
    awk 'NR == FNR { if (/^[A-Za-z0-9]/) pinned[$1]; next } /^[A-Za-z0-9]/ { is_ours = !($1 in pinned) } is_ours' \
        "$lock" "$added" >"$added.new"
    mv "$added.new" "$added"
    said "$added" "# What the part $part adds to requirements.lock, pinned, each with its hashes; made by \`make lock\`."
done
