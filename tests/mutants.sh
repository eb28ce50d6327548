#!/bin/sh
# Mutation testing of job_tracker/core: tests/mutants.sh [MODULE ...], for example tests/mutants.sh runs verdicts
# Works on a copy of the tree, prints the mutants that no test noticed, and how many there were.
# MUTANTS_MINUTES bounds the time per module (default 60).  Those known and judged are in tests/mutants-survivors.md.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
PATH="$root/.venv/bin:$PATH"
PYTHONDONTWRITEBYTECODE=1
export PATH PYTHONDONTWRITEBYTECODE
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

cp -R "$root/job_tracker" "$root/tests" "$root/pyproject.toml" "$work"
cd "$work"
fast=$(echo tests/core/test_rules_*.py tests/core/test_texts.py tests/core/test_messages.py tests/core/test_intake.py)
[ $# -gt 0 ] || set -- schedules/local_time schedules/starts schedules/daily schedules/cron schedules/quiet deadlines runs verdicts folding refolding clock_set_back step walk sight pen record settling board standing texts messages intake memory notices

for module in "$@"; do
    path="job_tracker/core/$module.py" module=$(basename "$module")
    sed -e "s|^module-path = .*|module-path = [\"$path\"]|" -e "s|FAST_TESTS|$fast|" tests/mutants.toml >"$module.toml"
    cp "$path" "$work/pristine.py"
    cosmic-ray init "$module.toml" "$module.sqlite"
    cr-filter-operators "$module.sqlite" "$module.toml"
    nice -n 10 timeout "${MUTANTS_MINUTES:-60}m" cosmic-ray exec "$module.toml" "$module.sqlite" ||
        echo "$module: stopped after ${MUTANTS_MINUTES:-60} minutes; the rest was not tried"
    cp "$work/pristine.py" "$path"
    echo "== $module"
    cr-report --surviving-only --show-diff "$module.sqlite"
done
