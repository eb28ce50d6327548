#!/bin/sh
# again: the tests that use threads, processes or a clock, over and over beside busy processes; then all tests, thrice.
# What fails once in thirty times on a busy machine fails on somebody's machine every day.
#
# TIMES (30), BUSY (4), WHOLE (3) and WORKERS (2) change how often, beside how many, and with how many workers; whatever
# else is given goes to pytest: `TIMES=3 WHOLE=0 sh tests/again.sh tests/outputs`.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
times=${TIMES:-30}
busy=${BUSY:-4}
whole=${WHOLE:-3}
workers=${WORKERS:-2}
failed=0
pids=

finish() {
    for pid in $pids; do
        kill "$pid" 2>/dev/null || :
    done
}
trap finish EXIT
trap 'exit 130' INT TERM

round() { # what, and how pytest is called; a failure is counted, and the next round shows whether it is always there
    echo "== $1"
    shift
    if ! "$python" -m pytest -n "$workers" "$@"; then
        failed=$((failed + 1))
    fi
}

while [ "$busy" -gt 0 ]; do
    "$python" -c 'while True: pass' &
    pids="$pids $!"
    busy=$((busy - 1))
done
number=0
while [ "$number" -lt "$times" ]; do
    number=$((number + 1))
    round "live tests, $number of $times" -m "live and not hosts and not parts" "$@"
done
finish
pids=
number=0
while [ "$number" -lt "$whole" ]; do
    number=$((number + 1))
    round "all tests, $number of $whole"
done
echo "== $failed of $((times + whole)) rounds failed"
[ "$failed" = 0 ]
