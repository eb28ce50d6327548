"""Days: statistics of each job and local day, kept right in the transaction of the step that changes them.

Rule: what is counted is known by its row (`runs.counted_on`, `marks`), so what is folded again is taken out first, and
nothing is counted twice.
Rule: a day's lengths are kept as long as the job can be folded again from before it; then only what they amount to is.
Rule: a day is looked at when its job is touched, and at no other time; an idle job costs nothing.

A run belongs to the day on which it began, in the zone of its job; one whose start was not seen, to that of its end.
"""

import struct
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.record import Record
from job_tracker.core.schedules.local_time import local_day, local_moment
from job_tracker.core.standing import Outcome, Run
from job_tracker.core.states import UNSEEN
from job_tracker.core.tallies import COUNTS, DAY, LENGTHS, Mark, length_of, quantiles
from job_tracker.core.verdicts import shown
from job_tracker.ledger.access import Access
from job_tracker.ledger.codec import Row

KEPT = 400
"""Days: a year can be compared with the one before."""

ASKED_AT_ONCE = 500

_COLUMNS = ", ".join(DAY)
_COUNTED = """
SELECT number, begun, outcome, ended, is_out_of_order, counted_on FROM runs
WHERE job = ? AND number >= ? AND counted_on IS NOT NULL
"""
_DATE = "date(day + 1721424.5)"  # SQLite counts days from noon of 4714 B.C.
_WRITE = f"INSERT OR REPLACE INTO days (job, day, {_COLUMNS}, lengths) VALUES ({','.join('?' * (len(DAY) + 3))})"
_NO_DAY: Row = (*(0,) * len(COUNTS), *(None,) * len(LENGTHS), b"")
Place = tuple[int, int]
"""Job and day."""


@dataclass(slots=True)
class Difference:
    """What a step adds to one day, and takes away.  lengths: microseconds, how often more than before."""

    counts: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    lengths: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, run: Run, times: int) -> None:
        """Count a run, or no longer."""
        self.counts[run.outcome.value] += times
        length = length_of(run)
        if length is not None:
            self.lengths[length] += times


@dataclass(slots=True)
class Sums:
    """What a step changes.  unseen: by job, since when it cannot be seen, None if it can be again.

    marks: rows to be written.  fresh: days of which nothing was known before.
    """

    days: dict[Place, Difference] = field(default_factory=dict)
    unseen: dict[int, int | None] = field(default_factory=dict)
    marks: list[Row] = field(default_factory=list)
    fresh: list[Place] = field(default_factory=list)

    def of(self, job: int, day: int) -> Difference:
        """The difference of one day."""
        found = self.days.get((job, day))
        if found is None:
            found = self.days[job, day] = Difference()
        return found


class Days:
    """The statistics, on the ledger's connection.  since: when they began to be whole; None where none are kept.

    ids: by key of the job.  All but `months` is called within the ledger's transactions.
    """

    def __init__(self, access: Access, ids: Mapping[str, int]) -> None:
        self._access, self._connection, self._ids = access, access.connection, ids
        self._jobs: Mapping[str, Job] = {}
        self._unseen: dict[int, int] = {}
        self._fresh: dict[tuple[str, str], None] = {}
        self.since: int | None = None

    def settle(self, jobs: Jobs, now: int, *, is_on: bool) -> None:
        """Go on with the jobs of a configuration; of the time when it was off nothing is known."""
        self._jobs = {**self._jobs, **jobs.by_key}  # those of before go on where the transaction fails
        self._fresh.clear()
        row = self._connection.execute("SELECT value FROM facts WHERE name = 'days_since'").fetchone()
        if not is_on:
            self._connection.execute("DELETE FROM facts WHERE name = 'days_since'")
            self._connection.execute("DELETE FROM unseen")
        elif row is None:
            self._connection.execute("INSERT INTO facts (name, value) VALUES ('days_since', ?)", (str(now),))
        self.since = None if not is_on else now if row is None else int(row[0])
        self._unseen = dict(self._connection.execute("SELECT job, since FROM unseen"))

    def begin_anew(self, job: int) -> None:
        """Nothing of the job is folded again from now on: what is counted stays."""
        self._connection.execute("DELETE FROM marks WHERE job = ?", (job,))

    def day_of(self, key: str, run: Run) -> int | None:
        """The day on which a run is counted, to be written with it; None for one that is not."""
        moment = run.ended if run.begun is None else run.begun
        if self.since is None or moment is None or run.outcome is Outcome.OPEN:
            return None
        return local_day(self._jobs[key].zone, moment)

    def before(self, records: Mapping[str, Record]) -> Sums:
        """Take out what is about to be written again; afterwards its rows are gone."""
        sums = Sums()
        for key, record in records.items() if self.since is not None else ():
            job, rewound = self._ids[key], record.rewound
            for run, day in self._counted(job, record):
                sums.of(job, day).add(run, -1)
            if rewound is None:
                continue
            behind = (job, rewound.serial)
            for day, missed, alarms in self._connection.execute(
                "SELECT day, missed, alarms FROM marks WHERE job = ? AND serial > ?", behind
            ):
                counts = sums.of(job, day).counts
                counts["missed"] -= missed
                counts["alarms"] -= alarms
            self._connection.execute("DELETE FROM marks WHERE job = ? AND serial > ?", behind)
        return sums

    def after(self, records: Mapping[str, Record], marks: Mapping[str, Iterable[Mark]], sums: Sums, now: int) -> None:
        """Put in what was written, and write the days; `took` it once the transaction has ended."""
        if self.since is None:
            return
        for key, record in records.items():
            self._put_in(key, record, marks.get(key, ()), sums)
            self._look(self._ids[key], self._jobs[key], record, sums, now)
        self._write(sums)
        keys = {self._ids[key]: key for key in records}
        for job in {job for job, _ in sums.fresh}:
            oldest = local_day(self._jobs[keys[job]].zone, now) - KEPT
            self._connection.execute("DELETE FROM days WHERE job = ? AND day < ?", (job, oldest))
        for key, record in records.items():
            if record.checkpoints:
                self._seal(self._ids[key], self._jobs[key])

    def took(self, records: Mapping[str, Record], sums: Sums) -> None:
        """The transaction has ended."""
        for job, since in sums.unseen.items():
            if since is None:
                self._unseen.pop(job, None)
            else:
                self._unseen[job] = since
        keys = {self._ids[key]: key for key in records} if sums.days else {}
        self._fresh.update(((keys[job], _month(day)), None) for job, day in sums.days)

    def take_fresh(self) -> dict[tuple[str, str], str]:
        """By job and month what has changed since it was asked last, as `months` has it.  Raises StoreFailed."""
        found = dict.fromkeys(self._fresh, "{}")
        for month in {month for _, month in found}:
            keys = {self._ids[key]: key for key, each in found if each == month}
            for at in range(0, len(keys), ASKED_AT_ONCE):
                texts = self._texts(month, [*keys][at : at + ASKED_AT_ONCE])
                found.update(((keys[job], month), text) for job, text in texts)
        self._fresh.clear()
        return found

    def months(self, key: str, now: int) -> list[tuple[str, str]]:
        """Of each month a JSON object: by date, an array of `tallies.DAY`.  Raises StoreFailed."""
        job = self._jobs.get(key)
        oldest = 0 if job is None else local_day(job.zone, now) - KEPT
        with self._access.reading():
            return self._connection.execute(
                f"SELECT substr({_DATE}, 1, 7), json_group_object({_DATE}, json_array({_COLUMNS})) FROM days"
                " WHERE job = ? AND day >= ? GROUP BY 1 ORDER BY 1",
                (self._ids[key], oldest),
            ).fetchall()

    def _texts(self, month: str, jobs: Sequence[int]) -> list[tuple[int, str]]:
        marks = ",".join("?" * len(jobs))
        with self._access.reading():
            return self._connection.execute(
                f"SELECT job, json_group_object({_DATE}, json_array({_COLUMNS})) FROM days WHERE job IN ({marks})"
                " AND day >= julianday(? || '-01') - 1721424.5"
                " AND day < julianday(? || '-01', '+1 month') - 1721424.5 GROUP BY job",
                (*jobs, month, month),
            ).fetchall()

    # -- what a step changes -------------------------------------------------------------------------------------

    def _counted(self, job: int, record: Record) -> Iterator[tuple[Run, int]]:
        """The runs that are about to be written again, as they were counted, each with its day."""
        again = 1 << 62 if record.rewound is None else record.rewound.count + 1
        rows = self._connection.execute(_COUNTED, (job, min((*record.runs, again)))).fetchall()
        for number, begun, outcome, ended, stepped, day in rows:
            if number >= again or number in record.runs:
                yield _run(number, begun, outcome, ended, stepped), day

    def _put_in(self, key: str, record: Record, marks: Iterable[Mark], sums: Sums) -> None:
        job, zone = self._ids[key], self._jobs[key].zone
        for run in record.runs.values():
            day = self.day_of(key, run)
            if day is not None:
                sums.of(job, day).add(run, 1)
        for mark in marks:
            day = local_day(zone, mark.moment)
            counts = sums.of(job, day).counts
            counts["missed"] += mark.missed
            counts["alarms"] += mark.alarms
            sums.marks.append((job, mark.serial, day, mark.missed, mark.alarms))

    def _look(self, job: int, promise: Job, record: Record, sums: Sums, now: int) -> None:
        """What could not be seen is counted when it can be seen again, on each of its days."""
        unseen, since = record.standing.unseen, self._unseen.get(job)
        if unseen is None and since is None:
            return
        is_unseen = unseen is not None and shown(promise, record.standing).status == UNSEEN
        if unseen is not None and is_unseen and since is None:
            sums.unseen[job] = unseen.since
            self._connection.execute("INSERT OR REPLACE INTO unseen VALUES (?, ?)", (job, unseen.since))
        elif not is_unseen and since is not None:
            sums.unseen[job] = None
            self._connection.execute("DELETE FROM unseen WHERE job = ?", (job,))
            begin = since
            while begin < now:
                day = local_day(promise.zone, begin)
                end = max(begin + 1, min(now, local_moment(promise.zone, day + 1, 0)))
                sums.of(job, day).counts["unseen"] += end - begin
                begin = end

    def _write(self, sums: Sums) -> None:
        """Write the days; one that has come to nothing is none."""
        rows, empty = [], []
        for (job, day), difference in sums.days.items():
            if not any(difference.counts.values()) and not any(difference.lengths.values()):
                continue
            known = self._connection.execute(
                f"SELECT {_COLUMNS}, lengths FROM days WHERE job = ? AND day = ?", (job, day)
            ).fetchone()
            if known is None:
                sums.fresh.append((job, day))
            row = _changed(_NO_DAY if known is None else known, difference)
            if any(row[: len(COUNTS)]):
                rows.append((job, day, *row))
            else:
                empty.append((job, day))
        self._connection.executemany(_WRITE, rows)
        self._connection.executemany("DELETE FROM days WHERE job = ? AND day = ?", empty)
        self._connection.executemany("INSERT OR REPLACE INTO marks VALUES (?,?,?,?,?)", sums.marks)

    def _seal(self, job: int, promise: Job) -> None:
        """Let go of the lengths of days that nothing that is still to come can change."""
        floor = self._connection.execute(
            "SELECT moment FROM checkpoints WHERE job = ? ORDER BY serial LIMIT 1", (job,)
        ).fetchone()[0]
        oldest = self._connection.execute(
            "SELECT min(coalesce(begun, ended)) FROM runs WHERE job = ?", (job,)
        ).fetchone()[0]
        if floor is None or oldest is None:
            return
        self._connection.execute(
            "DELETE FROM marks WHERE job = ? AND serial < (SELECT min(serial) FROM checkpoints WHERE job = ?)",
            (job, job),
        )
        day = local_day(promise.zone, min(floor, oldest)) - 1  # a run's zone may have been another one
        self._connection.execute(
            "UPDATE days SET lengths = NULL WHERE job = ? AND day < ? AND lengths IS NOT NULL", (job, day)
        )


def _run(number: int, begun: int | None, outcome: str, ended: int | None, stepped: int) -> Run:
    found = Outcome(outcome)
    return Run(order=number, id=None, begun=begun, outcome=found, ended=ended, is_out_of_order=bool(stepped))


def _changed(known: Row, difference: Difference) -> Row:
    """A day's row, as `_WRITE` has it behind its place, after a step."""
    counts = [max(0, old + difference.counts[name]) for name, old in zip(COUNTS, known, strict=False)]
    if known[-1] is None:  # it cannot be folded again any more: at most something of long ago has ended only now
        return (*counts, *_widened(known[len(COUNTS) : -1], difference.lengths), None)
    lengths = [*_unpacked(known[-1])]
    for length, times in difference.lengths.items():
        for _ in range(times):
            insort(lengths, length)
        for _ in range(-times):
            at = bisect_left(lengths, length)
            if lengths[at : at + 1] == [length]:  # not of a day that had gone meanwhile
                del lengths[at]
    return (*counts, *quantiles(lengths).values(), struct.pack(f"<{len(lengths)}q", *lengths))


def _unpacked(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(packed) // 8}q", packed)


def _widened(known: Sequence[int | None], lengths: Mapping[int, int]) -> list[int | None]:
    """What is known of lengths that are gone, with one more; where the middle lies is not known any more."""
    shortest, median, p95, longest = known
    more = [length for length, times in lengths.items() if times > 0]
    ends = [each for each in (shortest, longest, *more) if each is not None]
    return [min(ends, default=None), median, p95, max(ends, default=None)]


def _month(day: int) -> str:
    return date.fromordinal(day).isoformat()[:7]
