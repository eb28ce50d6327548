"""A sweep: once through all jobs of a server; the list, and singly each job that has not ended.

Rule: a list may be stale: how a job stands is known only from its own answer, as long as it has not ended.
Rule: one bad job costs itself only; three silences in a row are the server's.
Rule: a job is gone only if a whole list lacks it and its own address says that there is none; where the server has
become another one, or most of its jobs vanished at once, it is not believed.
Rule: a row that said nothing new of a job that has ended is not read again, as long as the row and what is known of
its job are what they were: of each only a digest is kept, and only while it is listed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace

from job_tracker.errors import BadAnswer, BadMessage, SourceUnreachable
from job_tracker.moments import MICROSECONDS, MINUTE
from job_tracker.ports import RemoteJob
from job_tracker.sources.ogc.asking import Outcome, ask_all
from job_tracker.sources.ogc.client import Answer, Client, Silent
from job_tracker.sources.ogc.listing import OGC, WPST, Asking, Listing, list_jobs, path_of
from job_tracker.sources.ogc.reading import Sighting, moved, of_answer
from job_tracker.sources.ogc.words import Phase, has_ended, phase_of

METRICS_AWAITED = 15 * MINUTE
"""How long a job that has ended is asked for its metrics."""

MANY = 20
"""Jobs that may vanish at once without a doubt, be they most of them or not."""

RIGHT_CLOCK = 2 * MICROSECONDS
"""So far a server's clock may seem to be off: it is told to a second, and travels."""

SILENCES = 3
NOT_THERE = frozenset({404, 410})
PATIENCE_WITH_ONE = 5
"""Sweeps in a row in which a job may not be readable before that is said."""


@dataclass(kw_only=True)
class Swept:
    """What a sweep came to.

    gone: jobs that the server no longer knows, absent: those that it no longer lists.  doubt: why it is not believed.
    strange: words that nobody knows, each with a job.  asked: how many jobs singly.
    """

    begun: int
    listing: Listing
    gone: list[RemoteJob] = field(default_factory=list)
    absent: list[RemoteJob] = field(default_factory=list)
    doubt: str = ""
    strange: dict[str, str] = field(default_factory=dict)
    asked: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether all jobs were seen, and silence since before it proves something."""
        return not self.listing.lacks


class Sweeper:
    """Goes through one server's jobs again and again.  troubles: jobs that cannot be read, and how often in a row."""

    def __init__(
        self, clients: list[Client], dialect: str, *, clock: Callable[[], int], with_inputs: bool = False
    ) -> None:
        self.dialect = dialect
        self._clients, self._clock, self._with_inputs = clients, clock, with_inputs
        self.troubles: dict[str, tuple[int, str]] = {}
        self._settled: dict[bytes, RemoteJob] = {}

    def sweep(
        self,
        known: Mapping[str, RemoteJob],
        identity: str,
        is_of_no_interest: Callable[[Sighting], bool],
        found: Callable[[Sighting], bool],
    ) -> Swept:
        """identity: what the server called itself before; is_of_no_interest: whether nothing will be told of a job.

        found: hears each job that was seen, and says whether anything of it is new.

        Raises SourceUnreachable, SourceRefused.
        """
        begun = self._clock()
        settled = {digest: job.id for digest, job in self._settled.items() if known.get(job.id) is job}
        asking = Asking(client=self._clients[0], with_inputs=self._with_inputs, settled=settled)
        processes = {each.process for each in known.values() if not has_ended(each.status)} - {""}
        swept = Swept(begun=begun, listing=list_jobs(asking, self.dialect, begun, processes))
        rows, wanted = swept.listing.rows, []
        self._settled = {digest: known[id] for id, digest in rows.items() if digest in settled}
        for row in swept.listing.jobs.values():
            job = known.get(row.id)
            if not self._is_settled(row, job, is_of_no_interest):
                wanted.append(row)
            elif not self._hear(swept, row, found) and job is not None and has_ended(job.status) and rows[row.id]:
                self._settled[rows[row.id]] = job
        wanted += self._unlisted(known, rows, begun)
        missing = set(self._ask(swept, wanted, found))
        self._judge(swept, known, identity, missing)
        asked = {each.id for each in wanted}
        self.troubles = {id: each for id, each in self.troubles.items() if id in asked}
        return swept

    def _is_settled(self, row: Sighting, job: RemoteJob | None, is_of_no_interest: Callable[[Sighting], bool]) -> bool:
        """Whether a row of the list says all that there is to know."""
        if job is not None and has_ended(job.status):
            awaits = self.dialect == WPST and not (job.metrics or job.is_ignored or row.metrics)
            return row.status in ("", job.status) and not (awaits and row.seen < job.since + METRICS_AWAITED)
        if not row.status or not has_ended(row.status):
            return job is not None and job.is_ignored
        return self.dialect == OGC or (job is None and is_of_no_interest(row))

    def _unlisted(self, known: Mapping[str, RemoteJob], rows: Mapping[str, bytes], begun: int) -> Iterator[Sighting]:
        for job in known.values():
            if job.id not in rows and not job.is_ignored and not has_ended(job.status):
                yield Sighting(id=job.id, process=job.process, seen=begun)

    def _ask(self, swept: Swept, wanted: list[Sighting], found: Callable[[Sighting], bool]) -> Iterator[str]:
        """Ask singly; the ids of those that are not there."""
        swept.asked = len(wanted)
        silences = 0
        with closing(ask_all(self._clients, wanted, lambda each: path_of(self.dialect, each))) as answers:
            for job, outcome in answers:
                silences = silences + 1 if isinstance(outcome, Silent) else 0
                if silences == SILENCES:
                    raise SourceUnreachable(f"{outcome}; and so {SILENCES} times in a row")
                is_missing = isinstance(outcome, Answer) and outcome.status in NOT_THERE
                if is_missing and job.id not in swept.listing.rows:
                    self.troubles.pop(job.id, None)
                    yield job.id
                    continue
                self._hear(swept, self._told(swept, job, outcome), found)

    def _told(self, swept: Swept, job: Sighting, outcome: Outcome) -> Sighting:
        """What a single answer says, or, where it says nothing, what the list does."""
        try:
            if isinstance(outcome, BadAnswer):
                raise outcome
            swept.listing.learn(outcome)
            if outcome.status != 200:
                raise BadAnswer(f"{outcome.url} answers {outcome.status}")
            told = of_answer(outcome.document, known=job, seen=self._clock(), with_inputs=self._with_inputs)
        except (BadAnswer, BadMessage) as fault:
            times, _ = self.troubles.get(job.id, (0, ""))
            self.troubles[job.id] = times + 1, str(fault)
            return job
        self.troubles.pop(job.id, None)
        facts = {"server": swept.listing.identity or None, "api_version": swept.listing.version or None}
        return replace(told, facts={**facts, **told.facts})

    def _hear(self, swept: Swept, job: Sighting, found: Callable[[Sighting], bool]) -> bool:
        """Whether anything is new of a job that was seen."""
        if not job.status:
            return False
        if phase_of(job.status) is Phase.STRANGE:
            swept.strange.setdefault(job.status, job.id)
        offset = swept.listing.offset
        return found(job if offset is None or abs(offset) <= RIGHT_CLOCK else moved(job, offset))

    def _judge(self, swept: Swept, known: Mapping[str, RemoteJob], identity: str, missing: Iterable[str]) -> None:
        """Decide what is gone, and what is only not listed any more."""
        if not swept.is_complete:
            return
        lost = set(missing)
        listed = [each for each in known.values() if each.absent_since is None]
        vanished = [
            each
            for each in listed
            if each.id not in swept.listing.rows and (each.id in lost or each.is_ignored or has_ended(each.status))
        ]
        gone = [each for each in vanished if each.id in lost]
        now = swept.listing.identity
        if gone and identity and now != identity:
            swept.doubt = f"it is {now or 'nameless'}, and was {identity}"
        elif gone and len(vanished) > MANY and 2 * len(vanished) > len(listed):
            swept.doubt = f"{len(vanished)} of {len(listed)} jobs vanished at once"
        if not swept.doubt:
            swept.gone = gone
            swept.absent = [each for each in vanished if each.id not in lost]


def complaints(swept: Swept, troubles: Mapping[str, tuple[int, str]], doubted: int) -> Iterator[str]:
    """What somebody should know of a sweep, in words; doubted: how many jobs are not believed to be gone."""
    if swept.doubt:
        yield (
            f"the server's memory is not the one we knew: {swept.doubt}; {doubted} jobs that had not ended are not "
            "taken to be gone (if they are: give the source another name)"
        )
    if swept.listing.lacks:
        why = "nothing is taken to be gone, and silence proves nothing"
        yield f"the list of jobs is not whole: {swept.listing.lacks}; {why}"
    for id, (times, why) in troubles.items():
        if times > PATIENCE_WITH_ONE:
            yield f"job {id} could not be read {times} times in a row: {why}"
            break
    for word, id in swept.strange.items():
        yield f"job {id} has the status {word[:40]!r}, which nobody here knows: it neither begins nor ends anything"
        break
    if swept.listing.faults:
        yield f"{swept.listing.faults[0]}, and is left out ({len(swept.listing.faults)} so)"
