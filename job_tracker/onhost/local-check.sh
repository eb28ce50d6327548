#!/bin/sh
# Checkmk local check of job_tracker: installed as /usr/lib/check_mk_agent/local/job_tracker, it prints the services
# that the daemon left in RUN_DIR/job_tracker.services.
#
# Rule: what it prints is judged here, not where it was written.  A daemon that died leaves green lines behind, and
# Checkmk keeps a green line green however old it is; so old, missing, half-written, malformed or future-dated data
# make the service job_tracker CRIT and everything listed UNKNOWN.
# Rule: the directory belongs to somebody else.  The agent starts this as root and waits for ever, so the file is read
# as the directory's owner, under a time limit, up to a size, and nothing but lines of the known shape comes out.
# Rule: only the reading runs as the owner, who may stop, kill and trace whatever runs as the owner, and take over what
# it has open: a pipe to somebody else.  Time limit, size and judgement are kept by processes of other users.
#
# The file: "# job_tracker services 1 WRITTEN STALE_AFTER" (epoch seconds, seconds), the service lines, "# end".
# The environment is trusted (it is the agent's); exit code 0 always (anything else makes a cached agent drop it all).

run_dir=/var/run
run_dir=${JOB_TRACKER_RUN_DIR:-$run_dir}

seconds_to_read=5
bytes_to_read=16777216 # 10,000 services at 1,600 bytes each
nobody=65534
nogroup=65534

set -u
LC_ALL=C
PATH=${PATH:-/usr/sbin:/usr/bin:/sbin:/bin}
export LC_ALL PATH
unset CDPATH
# The agent drops stderr anyway; what an operator should know is in a service's text.  stdin may be the agent's
# connection, and what else it has open is not for the owner, either.
exec </dev/null 2>/dev/null 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
services=$run_dir/job_tracker.services

critical() {
    printf '2 job_tracker - %s\n' "$1"
    exit 0
}

# The time limit covers opening and reading, not printing: a slow reader of the agent must not cut a line in half.
# Where coreutils' timeout is missing, a second process does its work.
# shellcheck disable=SC2016 # the inner shell expands it
watchdog='exec 3<&0
"$@" <&3 3<&- & reader=$!
(exec 3<&-; sleep "$0"; kill -KILL "$reader") >/dev/null 2>&1 &
wait "$reader"; kill "$!"'
if command -v timeout >/dev/null; then
    set -- timeout -s KILL $seconds_to_read
else
    set -- sh -c "$watchdog" $seconds_to_read
fi

# Two regular expressions a line, one anchored at its head and one for what may stand nowhere: mawk is several times
# slower on one that has to match to the line's end.  Lines are kept eight to a string for the same reason.
# bad: bytes below space, DEL and NUL; in an awk that thinks in characters, which cannot see a NUL, without the NUL.
# srand() returns the seed before it, the moment of the call before: the portable clock of awk, without a process.
# shellcheck disable=SC2016 # awk expands it
judge='
BEGIN {
    bad = length("\303\274") == 2 ? "[^\040-\176\200-\377]" : "[\001-\037\177]"
    bad = bad "|<<<|\\\\n"
    srand(); now = srand()
    if (now !~ /^[0-9]+$/ || now < 1000000000 || now > 99999999999) { now = 0; "date +%s" | getline now }
}
NR == 1 {
    if ($0 !~ /^# job_tracker services 1 [0-9]+ [0-9]+$/ || length($0) > 60) fault = "begins with an unknown first line"
    else { written = $5 + 0; stale_after = $6 + 0 }
    next
}
$0 ~ bad || !/^[0-3] [A-Za-z0-9_.:@+-]+ (-|[A-Za-z_][A-Za-z0-9_.-]*=-?[0-9][0-9.]*([|][A-Za-z_][A-Za-z0-9_.-]*=-?[0-9][0-9.]*)*) [^ ]/ {
    if ($0 == "# end" && !end) end = NR
    else if (!odd) odd = NR
    next
}
{ lines = lines $0 "\n" }
NR % 8 == 0 { keep() }
END {
    keep()
    if (NR == 0) fault = "could not be read within " seconds " s"
    else if (!fault && end != NR) fault = "is not whole"
    else if (!fault && odd) fault = "has a malformed line " odd
    if (fault || written > now + 60 || now - written > stale_after) doubt()
    else for (i = 1; i <= kept; i++) printf "%s", block[i]
}
function keep() {
    if (length(lines) > 32768) { if (!odd) odd = NR }
    else block[++kept] = lines
    lines = ""
}
function doubt(    moment, since, i, j, count, line, name, text, last) {
    if (written) moment = local_time(written)
    if (fault) {
        print "2 job_tracker - " services " " fault
        since = "has left no whole report" (written ? " since " moment : "")
    } else if (written > now) {
        print "2 job_tracker - " services " is dated " moment ", " (written - now) " s ahead of this host"
        since = "reported for " moment ", which is still to come"
    } else {
        since = "has not reported since " moment
        print "2 job_tracker - job_tracker " since " (" (now - written) " s ago, stale after " stale_after " s): is its daemon running?"
    }
    seen["job_tracker"] = 1
    for (i = 1; i <= kept; i++) {
        count = split(block[i], line, "\n")
        for (j = 1; j < count; j++) {
            text = substr(line[j], 3)
            name = substr(text, 1, index(text, " ") - 1)
            if (name in seen) continue
            seen[name] = 1
            text = substr(text, length(name) + 2)
            last = "; last: " substr(text, index(text, " ") + 1)
            if (!end && i == kept && j == count - 1) last = "" # perhaps half a line, cut inside a character
            print "3 " name " - job_tracker " since last
        }
    }
}
function local_time(epoch,    command, text) {
    command = "date -d @" sprintf("%.0f", epoch) " \"+%Y-%m-%d %H:%M:%S\""
    if ((command | getline text) < 1 || text !~ /^[-0-9: ]+$/) text = sprintf("%.0f", epoch)
    close(command)
    return text
}
'

# -P: /var/run is a link to /run.  Having entered the directory, nobody can put another one in its place.
cd -P -- "$run_dir" || critical "$run_dir cannot be entered"
if [ -L job_tracker.services ]; then critical "$services is a link, and is not followed"; fi
if [ ! -e job_tracker.services ]; then critical "$services is missing: is the daemon running?"; fi
if [ ! -f job_tracker.services ]; then critical "$services is not a regular file"; fi

# Whose the directory is, and who we are, from one process: the directory /proc/self belongs to whoever looks.
# A directory of our own needs neither; a shell that does not know -O takes the longer way.
owner=
# shellcheck disable=SC3067
if ! [ -O . ]; then
    {
        read -r owner
        read -r self
    } <<END
$(stat -L -c %u . /proc/self)
END
    case $owner:$self in
        *[!0-9:]* | :* | *:) critical "the owner of $run_dir cannot be told" ;;
        *:0) ;;
        *) owner= ;; # not root: what we may read, we may read
    esac
fi

judge() {
    cd / # the other directory may be closed to who runs this, and to the shell that awk starts for a date
    exec "$@" awk -v services="$services" -v seconds=$seconds_to_read "$judge"
}

# setpriv is part of util-linux on Debian, RHEL and SLES; su opens a PAM session each time, and is the second choice.
# Only the user matters: the file is its owner's, and a group that came along might open more than the file.
# The second head is there for an owner who keeps the pipe open, or fills it: it ends, and awk with it.
# su goes on in a session of its own, which a limit around it does not reach: it has one inside as well.
if [ -z "$owner" ]; then
    "$@" head -c $bytes_to_read job_tracker.services | judge
elif command -v setpriv >/dev/null; then
    somebody=$nobody
    if [ "$owner" = $nobody ]; then somebody=$((nobody - 1)); fi # that no user has by default
    "$@" setpriv --reuid="$owner" --regid=$nogroup --clear-groups --no-new-privs -- \
        head -c $bytes_to_read job_tracker.services |
        "$@" head -c $bytes_to_read |
        judge setpriv --reuid="$somebody" --regid=$nogroup --clear-groups --no-new-privs --
elif command -v su >/dev/null; then
    # shellcheck disable=SC2016 # the inner shell expands it
    "$@" su -s /bin/sh -c 'exec "$0" "$@"' -- "$(stat -c %U .)" "$@" head -c $bytes_to_read job_tracker.services |
        "$@" head -c $bytes_to_read |
        judge
else
    critical "$services cannot be read as the owner of its directory (setpriv or su is needed)"
fi || critical "$services cannot be judged (awk, and util-linux' setpriv or su, are needed)"
exit 0
