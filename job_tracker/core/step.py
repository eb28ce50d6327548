"""The step: messages and deadlines speak in the order of their moments, and the board is what they amount to.

THE OBSERVER.  Imagine somebody who hears every message of every job at the moment it was written, in order, and who
knows at each moment that nothing was said in between.  He never errs: when a deadline passes and no message met it,
it counts. All that is done here is to end up with his board, although messages arrive late, in the wrong order, by
several sources, or while nobody listened.  So how often `step` is called, what is heard in which order, and where it
was killed and resumed, change nothing in the result: the board and the archive are the whole memory.

WHAT A WATERMARK PROVES.  A source's watermark W says: all that was said there before W has been heard.  It says
nothing of W itself or later.  A deadline D may be judged once every source the job belongs to has a watermark later
than D; before that, silence proves nothing.  A job belongs to the sources it names, else to the one that delivered
last, else to all.

WHAT CAN ENTER, AND WHAT EACH MAY TOUCH.

1.  A message behind all that was folded of its job: it is folded (`folding.fold_message`) into runs, expectations
    and state, and may move the job's deadlines.  It touches no other job.
2.  A late message, before something that was folded already: its job is folded again (`refolding`) from the last
    checkpoint before it, with all messages since, and exactly the deadlines that had been judged before are judged
    again. It replaces what the record says of that time, and makes one change.
3.  A deadline the sources are drained past: it is folded (`folding.fold_deadline`), counts, and names the one after
    it.
4.  The clock set back: what was judged of a time that has not come is taken back (`clock_set_back`), in a step of
    its own. It touches only jobs that were judged ahead, and only once the clock has stood for a while.

Besides, silence that cannot be judged is shown: a deadline that has passed on the clock but not by a watermark makes
a job whose status is 0 UNKNOWN.  That is a cloth over the state (`Standing.unseen`), and takes nothing away from it.

THREE HARD WORDS, A CASE EACH.  A job of every ten minutes, grace 5 s, belongs to app1.  It ended well at 12:00, so
the next start is to come by 12:10:05.

*unseen*.  app1 cannot be reached from 12:08 on.  At 12:10:05 the deadline passes; the watermark is 12:08, so nothing
is judged.  From 12:10:05 on (or when the watermark has lagged for the tolerance, if that is later) the job is
UNKNOWN: `unseen` has since when, by which source, and for which deadline.  At 12:30 app1 is back with a start of
12:09: it is folded, no deadline has been missed, and the cloth is gone.  Had there been no start, the deadline would
count as of 12:10:05.

*overtaken*.  The job may be heard from app1 and app2 and names both.  app1 is away since 12:08; app2 delivers a start
of 12:20. The deadline of 12:10:05 lies before it and is not judged: app1 may hold a start of 12:09.  The message is
not withheld: it is folded, the job runs, and the first deadline it went past is noted as `overtaken`.  When app1 is
drained past 12:10:05 the job is folded again, in order, with that deadline (or with the start of 12:09); one change
says so.

*former_source_drained*.  The job names no source; app1 delivered last and is drained to 12:15, so the deadline of
12:10:05 has counted.  Now app2 delivers; the job belongs to app2, whose watermark is 12:02.  Judged by that alone,
the deadline would become doubtful again, and the next late message would fold it away.  So how far the sources before
were drained when the new one spoke is kept: what they were past stays judgeable.

WHY LOOKING LATE IS THE SAME AS LOOKING IN TIME.  The agenda holds, by moment, the next deadline of each job that may
be judged; messages and agenda are walked through together.  A deadline that the job's next message comes before is
not put on the agenda: the message may move it.  A deadline popped is compared with the standing once more, for a
message may have moved it since.  At equal moments a message comes first, then timeouts, then missed starts, then the
order of configuration.

WHY A STEP MAY STOP HALF-WAY.  After `most` deadlines it hands back the messages it did not reach, and of the sources
it believes no more than what it has walked through.  The next step begins there, as does one after a crash.

Rule: the board and the archive are the whole memory; how often `step` is called changes nothing in the result.
Rule: a deadline is judged once all sources the job belongs to are drained past it; until then silence proves nothing.
"""

from collections.abc import Iterable
from dataclasses import replace
from operator import attrgetter
from types import MappingProxyType

from job_tracker.core.board import Board, Watermarks
from job_tracker.core.jobs import Jobs
from job_tracker.core.messages import Message
from job_tracker.core.record import Archive, Step
from job_tracker.core.sight import Sight
from job_tracker.core.walk import Walk


def step(
    board: Board,
    jobs: Jobs,
    messages: Iterable[Message],
    watermarks: Watermarks,
    now: int,
    archive: Archive,
    most: int | None = None,
    *,
    trail: bool = False,
) -> Step:
    """Let messages and deadlines speak in the order of their moments, up to now.

    messages: of configured jobs, from sources that may speak for them, each heard for the first time.
    most: deadlines and refolded messages after which it stops, to go on with the next step: an absence of months, or a
    clock set ahead by years, holds more than fits into the memory or into a minute.  Late messages of a job are then
    folded together, and make one change instead of one each.
    trail: whether each item is written down, for `finding`.
    """
    # a watermark ahead of the clock was set by a clock that ran wrong: nobody has looked that far
    drained = {source: moment for source, moment in board.drained.items() if moment <= now + 1}
    if len(drained) < len(board.drained):
        board = replace(board, drained=MappingProxyType(dict(drained)))
    for source, watermark in watermarks.items():
        if watermark.drained is not None and watermark.drained <= now + 1:
            drained[source] = max(watermark.drained, drained.get(source, -1))
    sight = Sight(jobs=jobs, drained=MappingProxyType(drained), before=board.drained, watermarks=watermarks, now=now)
    return Walk(board, jobs, sight, archive, most, trail=trail).step(sorted(messages, key=attrgetter("position")))
