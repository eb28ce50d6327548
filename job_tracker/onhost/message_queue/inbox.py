"""Inbox: lines from stdin, each with its deadline and none without an end."""

import os
import time

from .ground import CHUNK, LONGEST_LINE, select


class EndOfInputError(Exception):
    """The tracker is gone: stdin is closed, stdout is closed, or no request came for too long."""


class Inbox:
    """Lines from stdin, without a buffer that select could not see into, and never more than LONGEST_LINE of them."""

    TOO_LONG = None  # stands for a line that was thrown away

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.lines = []
        self.rest = b""
        self.skipping = False

    def read(self):
        """Take in what is there; only call when select says so."""
        data = os.read(self.descriptor, CHUNK)
        if not data:
            raise EndOfInputError
        first, *others = data.split(b"\n")
        self.rest += first
        for part in others:
            too_long = self.skipping or len(self.rest) > LONGEST_LINE
            self.lines.append(self.TOO_LONG if too_long else self.rest)
            self.rest, self.skipping = part, False
        if self.skipping or len(self.rest) > LONGEST_LINE:
            self.rest, self.skipping = b"", True

    def next_line(self, seconds):
        """The next line, TOO_LONG for one thrown away; EndOfInputError if none comes in that time."""
        until = time.monotonic() + seconds
        while not self.lines:
            if not select.select([self.descriptor], [], [], max(0.0, until - time.monotonic()))[0]:
                raise EndOfInputError
            self.read()
        return self.lines.pop(0)
