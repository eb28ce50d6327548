"""The manual: what --help prints, of the whole and of each verb; no line is longer than a terminal is wide."""

MANUAL = """\
Jobs report into QUEUE, an SQLite file on this host; the tracker drains it
through `serve`.

examples:
  message-queue.py -f /var/lib/job_tracker/queue.sqlite \\
      run --instance P --job LOAD_DWH -- /opt/dwh/load.sh --full
  message-queue.py -f /var/lib/job_tracker/queue.sqlite \\
      add --instance P --job LOAD_DWH --event STARTED
  message-queue.py -f /var/lib/job_tracker/queue.sqlite count
`message-queue.py VERB --help` has more for each verb. -f may stand before or
after the verb. A path that begins with ~ or $ is refused: nothing expanded it.

exit codes:
  0  done
  1  could not: locked, full, read-only, damaged. One line on stderr says
     which; nothing was changed. No verb waits for locks longer than 5 seconds.
  2  the command line or the message is wrong; one line says where
  `run` returns the exit code of its command; `serve` ends with 3 if the queue
  was replaced, with 4 if superseded.

who may write:
  A missing directory is made with mode 0700: only the user who ran the first
  job. Where jobs run as several users, make the directory for their group (or
  let the first add make it, with --mode 2770):
    install -d -m 2770 -g jobs /var/lib/job_tracker
  The file itself is made with mode 0660, so the directory decides. Links and
  anything but a plain file are refused. Network file systems are not safe for
  SQLite; keep the queue on a local disk.
"""

ADD = """\
A message has instance, job and event, and optionally message (text), run (an
id that ties the messages of one run together), exit_code, timestamp (seconds
since 1970, default now) and uid (default random; the same uid is stored once).
Text that would make a message longer than 64 KiB as JSON is cut, with a mark.

Without instance, job and event nothing is stored. Anything else that is odd,
an empty --exit-code say, costs only itself: the message is stored, the odd
value is in its text, and a line on stderr says so.

A run that nobody ended (its wrapper was killed, its host lost its power) stays
open until its end is added by hand, with its id:
  message-queue.py -f QUEUE add --instance P --job LOAD_DWH \\
      --event SUCCESS --run ID

examples:
  message-queue.py -f QUEUE add -j '{"instance": "P", "job": "LOAD_DWH",
      "event": "STARTED", "message": "text"}'
  message-queue.py -f QUEUE add --instance P --job LOAD_DWH --event ERROR \\
      --message "no space" --exit-code 3
  produce-json-lines | message-queue.py -f QUEUE add -j -
  message-queue.py -f OLD list | message-queue.py -f QUEUE add -j -
All that comes on stdin is stored in one transaction; one line that is no
message, and nothing is stored.
"""

LIST = """\
Prints a JSON array on one line, `[]` when there is nothing, and removes
nothing.

examples:
  message-queue.py -f QUEUE list
  message-queue.py -f QUEUE list -i 42
  message-queue.py -f QUEUE list --since "$(date -d '1 hour ago' +%s)"
"""

REMOVE = """\
Prints what it removes, as list does. The tracker will not see these messages.
Without options it removes all. It prints first: if the output cannot be
written, nothing is removed.

examples:
  message-queue.py -f QUEUE remove -i 42
  message-queue.py -f QUEUE remove --before "$(date -d '30 days ago' +%s)" \\
      > removed.json
"""

COUNT = """\
Prints the number of messages that wait for the tracker.

example:
  test "$(message-queue.py -f QUEUE count)" -lt 10000 ||
      echo "the tracker does not drain this host"
"""

STATS = """\
Prints a line each: the queue's id, its depth, oldest and newest message, ids,
who drains it, sizes, versions. Beside moments stands this host's local time.

examples:
  message-queue.py -f QUEUE stats
  message-queue.py -f QUEUE stats --json
"""

VACUUM = """\
Gives the file's unused pages back to the disk. Jobs that report meanwhile
wait, at most 5 seconds.

example:
  message-queue.py -f QUEUE vacuum
"""

RUN = """\
Notes STARTED, runs the command, notes SUCCESS (exit code 0) or ERROR (anything
else) with the exit code and the resources it used, and returns the command's
exit code: 128+N if it was killed by signal N, 127 if it was not found, 126 if
it could not be started.

The command comes first. It runs even if nothing can be noted; its end is held
up for 5 seconds at most. A script without #! is run by /bin/sh, as crontab
does. stdin, stdout and stderr are the command's own, but for --tail. SIGHUP,
SIGINT, SIGQUIT, SIGTERM, SIGUSR1 and SIGUSR2 are passed on, each once. The
command finds its run id in the environment as JOB_TRACKER_RUN.

--success-codes and --warning-codes take lists and ranges, as 0,24,30-35; 0 is
a success unless it is listed as a warning. A warning is noted with the word of
--warning-event, without it as a success; its message names the code.

--tail N ends the message of a run that ended badly with the last N lines of
its error output, at most 4 KB, and with --tail-stdout those of its output,
too. What is noted leaves this host: it is read by whoever sees the alarm.
--mask REGEX (more than once if need be) puts *** in the place of what it
matches in what is noted; what the command prints is passed on as it is.
With --tail that stream is a pipe, no terminal, passed on by a process of its
own: in order, but two streams keep no order between them, as with two pipes.

If `run` itself is killed with -9 the command goes on, and nobody notes its
end: see `add --help` for how such a run is ended.

examples:
  message-queue.py -f QUEUE run --instance P --job BACKUP \\
      -- tar -czf /backup/home.tgz /home
  message-queue.py -f QUEUE run --instance P --job LOAD_DWH \\
      -- sh -c 'extract && load'
  message-queue.py -f QUEUE run --instance P --job SYNC --success-codes 0,24 \\
      --tail 5 --mask 'password=[^ ]+' -- rsync -a /data backup:
  in the job:
  message-queue.py -f QUEUE add --instance P --job LOAD_DWH --event ROWS \\
      --run "$JOB_TRACKER_RUN"
"""

SERVE = """\
Speaks the drain protocol, one JSON object a line, on stdin and stdout; started
by the tracker, usually through SSH. Makes the queue if it is missing, and
beside it the FIFO QUEUE.wake, by which add wakes a waiting tracker. Ends when
stdin closes and when no request comes for --idle seconds.

example (by hand):
  echo '{"do": "ping"}' | message-queue.py -f QUEUE serve
"""
