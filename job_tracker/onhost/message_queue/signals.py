"""Signals: each one reaches the command once, whether it was sent to us, to our group, or to both.

Nobody can ask the kernel whether a signal was meant for one process or for its group. So a witness sits in the group
and does nothing: what it got, the command got as well.
"""

import contextlib
import os
import signal
import time

from .ground import FORWARDED_SIGNALS, select

SETTLING = 0.1  # seconds: `timeout` sends to its child first and to the group then
ANSWER = 1.0  # seconds after which a witness is not asked any more: somebody has stopped or killed it


class Witness:
    """A process of our group in which signals stay pending, so that it can say which ones came to the group."""

    def __init__(self, numbers):
        """numbers: the signals that are blocked, here and so in the witness."""
        self.numbers = numbers
        asked, self.ask = pipe()
        self.answer, answering = pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                let_go(asked, answering)
                _testify(asked, answering)
            finally:
                os._exit(0)
        os.close(asked)
        os.close(answering)

    def has_heard(self, number):
        """Whether the group got this signal; if so, it is answered for, also where we have it twice."""
        for pause in (0, SETTLING):
            time.sleep(pause)  # nothing tells when a sender is between the two that get it
            _let_senders_finish()
            if self._asked(number):
                _let_senders_finish()
                if number in signal.sigpending():
                    signal.sigwait({number})
                return True
        return False

    def _asked(self, number):
        with contextlib.suppress(OSError):
            os.write(self.ask, bytes([number]))
            waiting = select.poll()
            waiting.register(self.answer, select.POLLIN)
            return bool(waiting.poll(ANSWER * 1000)) and os.read(self.answer, 1) == b"y"
        return False


def _testify(asked, answering):
    """The witness's whole life; it ends when nobody can ask any more."""
    while True:
        number = os.read(asked, 1)
        if not number:
            return
        is_pending = number[0] in signal.sigpending()
        if is_pending:
            signal.sigwait({number[0]})
        os.write(answering, b"y" if is_pending else b"n")


def _let_senders_finish():
    """The kernel signals a group's members one by one, but lets nobody change a group meanwhile: so wait for it."""
    with contextlib.suppress(OSError):  # who leads a session may not; the wait came before the refusal
        os.setpgid(0, os.getpgrp())


def pipe():
    """A pipe with neither end at 0, 1 or 2: whoever started us may have closed these, and they are the command's."""
    ends = os.pipe()
    if min(ends) > 2:
        return ends
    try:
        return pipe()
    finally:
        for end in ends:
            os.close(end)


def let_go(*keep):
    """Hold no stream and descriptor of the job open but these: whoever waits for its end must not wait for us."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in {0, 1, 2}.difference(keep):
        os.dup2(null, descriptor)
    for descriptor in [int(name) for name in os.listdir("/dev/fd")]:
        if descriptor > 2 and descriptor not in keep:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def forwarded():
    """The signals that are passed on: not those we were told to ignore, for the command ignores them, too (nohup)."""
    numbers = [getattr(signal, name) for name in FORWARDED_SIGNALS]
    return {number for number in numbers if signal.getsignal(number) != signal.SIG_IGN}


def name_of(number):
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals have no names
        return "signal {}".format(number)
