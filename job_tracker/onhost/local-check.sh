#!/bin/sh
# Checkmk local check of job_tracker: installed as /usr/lib/check_mk_agent/local/job_tracker, it prints the services
# that the daemon left in RUN_DIR/job_tracker.services, and those of the other parts that LISTS/local_check_dirs names.
#
# Rule: what it prints is judged here, not where it was written.  A daemon that died leaves green lines behind, and
# Checkmk keeps a green line green however old it is; so old, missing, half-written, malformed or future-dated data
# make the service job_tracker CRIT and everything listed UNKNOWN.
# Rule: no service vanishes.  A discovery may take away for good what is not printed; so a copy of the last good file
# is kept in STATE_DIR, an hour old at most, and what it lists is UNKNOWN where there is nothing else to print.
# Rule: the directory belongs to somebody else.  The agent starts this as root and waits for ever, so the file is read
# as the directory's owner, under a time limit, up to a size, and nothing but lines of the known shape comes out.
# Rule: only the reading runs as the owner, who may stop, kill and trace whatever runs as the owner, and take over what
# it has open: a pipe to somebody else.  Time limit, size and judgement are kept by processes of other users.
# Rule: of two lines with one name Checkmk takes the last, so the tracker's own come last: no part speaks for a job.
#
# The file: "# job_tracker services 1 WRITTEN STALE_AFTER [ZONE]" (epoch seconds, seconds, the time zone of its texts),
# the service lines, "# end".  A line "@HOST STATUS NAME PERF TEXT" is a service of another host, by piggyback: only for
# hosts that LISTS/piggyback_hosts names, one a line; the headers of that are written here and nowhere else.
# LISTS belongs to root: local_check_dirs has a directory of a part a line, as /run/job_tracker_ship.
# The environment is trusted (it is the agent's); exit code 0 always (anything else makes a cached agent drop it all).

run_dir=/var/run
run_dir=${JOB_TRACKER_RUN_DIR:-$run_dir}
lists=/etc/job_tracker
lists=${JOB_TRACKER_LISTS:-$lists}
state_dir=/var/lib/job_tracker_check
state_dir=${JOB_TRACKER_STATE_DIR:-$state_dir}

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

# The time limit covers opening and reading, not printing: a slow reader of the agent must not cut a line in half.
# Where coreutils' timeout is missing, a second process does its work.
# shellcheck disable=SC2016 # the inner shell expands it
watchdog='exec 3<&0
"$@" <&3 3<&- & reader=$!
(exec 3<&-; sleep "$0"; kill -KILL "$reader") >/dev/null 2>&1 &
wait "$reader"; ended=$?; kill "$!"; exit "$ended"'

# Two regular expressions a line, one anchored at its head and one for what may stand nowhere: mawk is several times
# slower on one that has to match to the line's end.  Lines are kept eight to a string for the same reason.
# bad: bytes below space, DEL and NUL; in an awk that thinks in characters, which cannot see a NUL, without the NUL.
# srand() returns the seed before it, the moment of the call before: the portable clock of awk, without a process.
# Given: service (ours), services (the path), fault (why there is nothing to read, or nothing), saved and saved_lines
# (of the copy: when it was written, its lines).  Exit code: 10 the copy is to be made anew, 11 nothing came.
# shellcheck disable=SC2016 # awk expands it
judge='
BEGIN {
    bad = length("\303\274") == 2 ? "[^\040-\176\200-\377]" : "[\001-\037\177]"
    bad = bad "|<<<|\\\\n"
    srand(); now = srand()
    if (now !~ /^[0-9]+$/ || now < 1000000000 || now > 99999999999) { now = 0; "date +%s" | getline now }
    count = split(ENVIRON["JOB_TRACKER_PIGGYBACK_HOSTS"], line, "\n")
    for (i = 1; i <= count; i++) listed[line[i]] = 1
    is_missing = fault != ""
}
NR == 1 {
    if ($0 !~ /^# job_tracker services 1 [0-9]+ [0-9]+( [A-Za-z][A-Za-z0-9_+-]*([\/][A-Za-z0-9_+-]+)*)?$/ || length($0) > 120) {
        if (!is_missing) fault = "begins with an unknown first line"
    } else { written = $5 + 0; stale_after = $6 + 0; zone = $7 }
    next
}
$0 ~ bad {
    if (!odd) odd = NR
    next
}
!is_service($0) {
    if ($0 == "# end" && !end) end = NR
    else if (!/^@[A-Za-z0-9_][A-Za-z0-9_.-]* /) { if (!odd) odd = NR }
    else elsewhere(substr($0, 2, index($0, " ") - 2), substr($0, index($0, " ") + 1))
    next
}
{
    if (host != "") { keep(); host = "" }
    lines = lines $0 "\n"
}
NR % 8 == 0 { keep() }
END {
    keep()
    if (NR == 0 && !is_missing) exit 11
    if (!fault && end != NR) fault = "is not whole"
    if (!fault && odd) fault = "has a malformed line " odd
    if (fault || written > now + 60 || now - written > stale_after) doubt()
    else {
        print_all()
        if (NR != saved_lines || written - saved > 3600 || written < saved) exit 10
    }
}
function is_service(text) {
    return text ~ /^[0-3] [A-Za-z0-9_.:@+-]+ (-|[A-Za-z_][A-Za-z0-9_.-]*=-?[0-9][0-9.]*([|][A-Za-z_][A-Za-z0-9_.-]*=-?[0-9][0-9.]*)*) [^ ]/
}
function elsewhere(its_host, text) {
    if (!is_service(text) || length(its_host) > 253) { if (!odd) odd = NR }
    else if (!(its_host in listed)) { if (!strangers++) stranger = its_host }
    else {
        if (its_host != host) { keep(); host = its_host }
        lines = lines text "\n"
        if (NR % 8 == 0) keep()
    }
}
function keep() {
    if (lines == "") return
    if (length(lines) > 32768) { if (!odd) odd = NR }
    else {
        block[++kept] = lines
        if (host != "") { place[kept] = host; piggybacked = 1 }
    }
    lines = ""
}
function print_all(    i) {
    if (strangers) {
        print "2 " service " - " services " names the host " stranger " for " strangers " of its services, which is not in the list of piggyback_hosts (or that cannot be read)"
        for (i = 1; i <= kept; i++) if (!(i in place)) printf "%s", without(block[i])
    } else if (!piggybacked) for (i = 1; i <= kept; i++) printf "%s", block[i]
    else for (i = 1; i <= kept; i++) if (!(i in place)) printf "%s", block[i]
    for (i = 1; i <= kept; i++) if (i in place) { enter(place[i]); printf "%s", block[i] }
    enter("")
}
function without(text,    count, i, line, rest) {
    count = split(text, line, "\n")
    for (i = 1; i < count; i++) if (substr(line[i], 3, length(service) + 1) != service " ") rest = rest line[i] "\n"
    return rest
}
function enter(its_host) {
    if (its_host == entered) return
    if (entered != "") print "<<<<>>>>"
    if (its_host != "") print "<<<<" its_host ">>>>"
    print "<<<local:sep(0)>>>"
    entered = its_host
}
function doubt(    moment, since, i) {
    if (written) moment = local_time(written)
    if (is_missing) {
        print "2 " service " - " fault
        since = "has left no report" (written ? ", the last one known is of " moment : "")
    } else if (fault) {
        print "2 " service " - " services " " fault
        since = "has left no whole report" (written ? " since " moment : "")
    } else if (written > now) {
        print "2 " service " - " services " is dated " moment ", " (written - now) " s ahead of this host"
        since = "reported for " moment ", which is still to come"
    } else {
        since = "has not reported since " moment
        print "2 " service " - " service " " since " (" (now - written) " s ago, stale after " stale_after " s): is its daemon running?"
    }
    seen["", service] = 1
    for (i = 1; i <= kept; i++) if (!(i in place)) doubt_block(i, "", since)
    for (i = 1; i <= kept; i++) if (i in place) { enter(place[i]); doubt_block(i, place[i], since) }
    enter("")
}
function doubt_block(i, its_host, since,    j, count, line, name, text, last) {
    count = split(block[i], line, "\n")
    for (j = 1; j < count; j++) {
        text = substr(line[j], 3)
        name = substr(text, 1, index(text, " ") - 1)
        if ((its_host, name) in seen) continue
        seen[its_host, name] = 1
        text = substr(text, length(name) + 2)
        last = "; last: " substr(text, index(text, " ") + 1)
        if (!end && i == kept && j == count - 1) last = "" # perhaps half a line, cut inside a character
        print "3 " name " - " service " " since last
    }
}
function local_time(epoch,    command, text) {
    command = (zone ? "TZ=" zone " " : "") "date -d @" sprintf("%.0f", epoch) " \"+%Y-%m-%d %H:%M:%S %Z\""
    if ((command | getline text) < 1 || text !~ /^[-0-9]+ [0-9:]+ [A-Za-z0-9+-]+$/) text = sprintf("%.0f", epoch) " s after 1970"
    close(command)
    return text
}
'

# Prints what stdin holds, judged, as neither the owner nor root: $@ begins with who that is.
judge() {
    cd / # the other directory may be closed to who runs this, and to the shell that awk starts for a date
    exec "$@" awk -v service="$service" -v services="$services" -v fault="$fault" -v saved="$saved" -v saved_lines="$saved_lines" "$judge"
}

# The words before awk, so that a fault of it costs nobody much: $1 is the directory's owner, if that is not ourselves.
judge_as_nobody() {
    if [ -z "$1" ] || ! command -v setpriv >/dev/null; then judge; fi
    somebody=$nobody
    if [ "$1" = $nobody ]; then somebody=$((nobody - 1)); fi # that no user has by default
    judge setpriv --reuid="$somebody" --regid=$nogroup --clear-groups --no-new-privs --
}

# There is nothing to print but why, and what the copy lists.
critical() {
    fault=$1
    if [ -f "$copy" ]; then
        if [ "$(id -u)" = 0 ]; then owner=0; else owner=''; fi
        { read -r _ && (judge_as_nobody "$owner"); } <"$copy" && exit 0
    fi
    printf '2 %s - %s\n' "$service" "$fault"
    exit 0
}

# The file's bytes, as the directory's owner and under the time limit, whose words $@ is.
# setpriv is part of util-linux on Debian, RHEL and SLES; su opens a PAM session each time, and is the second choice.
# Only the user matters: the file is its owner's, and a group that came along might open more than the file.
# The second head is there for an owner who keeps the pipe open, or fills it: it ends, and awk with it.
# su goes on in a session of its own, which a limit around it does not reach: it has one inside as well.
# exec: a shell that waits for it would be one more process, which takes as long as judging a thousand lines.
read_file() {
    if [ -z "$owner" ]; then
        exec "$@" head -c $bytes_to_read job_tracker.services
    else
        read_as_owner "$@" | exec "$@" head -c $bytes_to_read
    fi
}

read_as_owner() {
    if command -v setpriv >/dev/null; then
        exec "$@" setpriv --reuid="$owner" --regid=$nogroup --clear-groups --no-new-privs -- \
            head -c $bytes_to_read job_tracker.services
    else
        # shellcheck disable=SC2016 # the inner shell expands it
        exec "$@" su -s /bin/sh -c 'exec "$0" "$@"' -- "$(stat -c %U .)" "$@" head -c $bytes_to_read job_tracker.services
    fi
}

# Why there is nothing: it is looked for only then, with the words of the time limit, and takes as long once more.
why_nothing_came() {
    if [ ! -s job_tracker.services ]; then
        printf '%s is empty' "$services"
    elif [ -z "$owner" ] && [ ! -r job_tracker.services ]; then
        printf '%s may not be read by user %s' "$services" "$(id -u)"
    else
        become=$1
        shift
        if [ -n "$owner" ]; then (read_as_owner "$@") else "$@" head -c 1 job_tracker.services; fi >/dev/null
        case $? in
            124 | 137) printf '%s could not be read within %s s' "$services" $seconds_to_read ;;
            *)
                if [ -z "$owner" ] || may_become_owner "$@"; then
                    printf '%s cannot be read by user %s' "$services" "${owner:-$(id -u)}"
                else
                    printf '%s is not read: %s is here but may not make this process user %s, whose directory it is' \
                        "$services" "$become" "$owner"
                fi
                ;;
        esac
    fi
}

may_become_owner() {
    if command -v setpriv >/dev/null; then
        "$@" setpriv --reuid="$owner" --regid=$nogroup --clear-groups --no-new-privs -- true
    else
        "$@" su -s /bin/sh -c true -- "$(stat -c %U .)"
    fi
}

# A copy for the day on which there is nothing to read; of an untrusted file, and judged like it when it is used.
keep_copy() {
    [ -d "$state_dir" ] || mkdir -m 700 -- "$state_dir" || return
    # shellcheck disable=SC3067 # where a shell does not know -O, there is no copy
    [ -O "$state_dir" ] && [ ! -L "$state_dir" ] || return
    umask 077
    (read_file "$@") >"$copy.new" || return
    { wc -l <"$copy.new" && cat "$copy.new"; } >"$copy.newer" && mv -f -- "$copy.newer" "$copy"
    rm -f -- "$copy.new"
}

# The services of one directory: $1, and $2, the service that says whether its program reports.
look() (
    directory=$1 service=$2
    services=$directory/job_tracker.services copy=$state_dir/$service.last
    fault='' owner='' saved=0 saved_lines=0
    if command -v timeout >/dev/null; then
        set -- timeout -s KILL $seconds_to_read
    else
        set -- sh -c "$watchdog" $seconds_to_read
    fi

    # -P: /var/run is a link to /run.  Having entered the directory, nobody can put another one in its place.
    if ! cd -P -- "$directory"; then
        [ -e "$directory" ] || critical "$directory is missing: has the daemon been started since boot?"
        [ -d "$directory" ] || critical "$directory is not a directory"
        critical "$directory may not be entered by user $(id -un), as whom the agent runs: make it a member of the group $(stat -L -c %G -- "$directory") and restart the agent"
    fi

    # Whose the directory is, and who we are, from one process: the directory /proc/self belongs to whoever looks.
    # A directory of our own needs neither; a shell that does not know -O takes the longer way.
    # shellcheck disable=SC3067 # likewise
    if ! [ -O . ]; then
        {
            read -r owner
            read -r self
        } <<END
$(stat -L -c %u . /proc/self)
END
        case $owner:$self in
            *[!0-9:]* | :* | *:)
                owner=
                critical "the owner of $directory cannot be told"
                ;;
            *:0) ;;
            *) owner= ;; # not root: what we may read, we may read
        esac
    fi

    if [ -L job_tracker.services ]; then critical "$services is a link, and is not followed"; fi
    if [ ! -e job_tracker.services ]; then critical "$services is missing: is the daemon running?"; fi
    if [ ! -f job_tracker.services ]; then critical "$services is not a regular file"; fi
    become=setpriv
    if [ -n "$owner" ] && ! command -v setpriv >/dev/null; then
        command -v su >/dev/null || critical "$services cannot be read as the owner of its directory (setpriv or su is needed)"
        become=su
    fi

    if [ -f "$copy" ]; then
        {
            read -r saved_lines
            read -r _ _ _ _ saved _
        } <"$copy"
        case $saved:$saved_lines in *[!0-9:]* | :* | *:) saved=0 saved_lines=0 ;; esac
    fi
    read_file "$@" | judge_as_nobody "$owner"
    case $? in
        0) ;;
        10) keep_copy "$@" ;;
        11) critical "$(why_nothing_came $become "$@")" ;;
        *)
            command -v awk >/dev/null || critical "$services cannot be judged: awk is not in the PATH"
            critical "$(why_nothing_came $become "$@"), or awk does not work here"
            ;;
    esac
)

# Root's lists, by the shell alone.  Where there are none, there are no parts and no other hosts.
JOB_TRACKER_PIGGYBACK_HOSTS=
if [ -r "$lists/piggyback_hosts" ]; then
    while read -r host || [ -n "$host" ]; do
        JOB_TRACKER_PIGGYBACK_HOSTS="$JOB_TRACKER_PIGGYBACK_HOSTS$host
"
    done <"$lists/piggyback_hosts"
fi
export JOB_TRACKER_PIGGYBACK_HOSTS

misread=
if [ -r "$lists/local_check_dirs" ]; then
    while read -r part || [ -n "$part" ]; do
        case $part in
            '' | '#'*) ;;
            /*/job_tracker_*[!a-z0-9_]*) misread=$part ;;
            /*/job_tracker_*) look "$part" "${part##*/}" </dev/null ;;
            *) misread=$part ;;
        esac
    done <"$lists/local_check_dirs"
fi
look "$run_dir" job_tracker
if [ -n "$misread" ]; then
    printf '2 job_tracker - %s/local_check_dirs names %s, which is no directory of a part (/run/job_tracker_PART)\n' \
        "$lists" "$(printf '%s' "$misread" | tr -c 'A-Za-z0-9_./\n-' _)"
fi
exit 0
