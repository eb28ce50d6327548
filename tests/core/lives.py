"""Short lives of one job, by chance: few ids, few moments, every word, so that any two of them meet.

Rule: the same number, the same life.
"""

import random
from dataclasses import replace

from observing import Observer, Transition
from story import cyclic

from job_tracker.core.board import newcomer
from job_tracker.core.jobs import Jobs
from job_tracker.core.messages import Message
from job_tracker.core.signals import Signal
from job_tracker.moments import MICROSECONDS

WORDS = (Signal.START, Signal.END, Signal.WARNING, Signal.ERROR, Signal.SKIPPED, Signal.OTHER)


def life(number: int) -> set[Transition]:
    """Which state each signal led to from which, in one of them."""
    rng = random.Random(number)
    job = cyclic(timeout=rng.choice([100, 3600]), interval=rng.choice([600, 6000]), max_errors=9)
    soonest = rng.choice([0, 0, 15 * MICROSECONDS])
    job = replace(job, may_skip=rng.random() < 0.5, min_duration=soonest)
    jobs = Jobs(by_key={job.key: job}, sources=("app1",), tolerance=15 * MICROSECONDS, grace=job.grace)
    messages, moment = [], 0
    for _ in range(rng.randint(1, 9)):
        moment += rng.choice([1, 10, 120, 700]) * MICROSECONDS
        signal, run = rng.choice(WORDS), rng.choice([None, "a", "b", "c"])
        messages.append(
            Message(
                moment=moment,
                source="app1",
                number=rng.randrange(100),
                name=job.name,
                env=job.env,
                event=signal.value,
                received=moment,
                claimed=moment,
                run="a" if signal is Signal.SKIPPED and run is None else run,
                signal=signal,
            )
        )
    observer = Observer(jobs, job, newcomer(job, 0))
    return set(observer.watch(messages, moment + rng.choice([1, 800, 8000]) * MICROSECONDS))
