"""Rights: who somebody is, which jobs he sees, and on which he may act.

Rule: pure.
Rule: a permission's expression has to fit a job's whole key: `LOAD_DWH__P` opens nothing of `LOAD_DWH__P2`.
Rule: an expression is accepted only in a form whose matching cannot take long, whatever the key.

A permission is `cop`, who may do everything, or `job://REGEX/r` (see) or `job://REGEX/x` (see and act).  Clients of
core4 need another, `api://REGEX` or `api://REGEX/crud`, for what they call: the beginning of a name has to fit, as they
are used to.  They may also have `app://…` and `mongodb://…`, which open nothing here.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property, lru_cache

from job_tracker.errors import JobTrackerError

COP = "cop"
LONGEST = 200
MOST_REPEATS = 3
"""Parts of unknown length in an expression: with k of them matching takes at most the k-th power of a key's length."""

_PERMISSION = re.compile(r"job://([^\s/]+)/([xr])")
_API = re.compile(r"api://([^\s/]+)(?:/([crud]*))?")
_KEPT = re.compile(r"(?:app|mongodb)://\S{1,200}")
_CLASS = r"\[\^?(?:[A-Za-z0-9_.]|\\[dw.\-])(?:[A-Za-z0-9_.\-]|\\[dw.\-])*\]"
_TOKEN = re.compile(rf"(?:(?P<atom>[A-Za-z0-9_.-]|\\[dw.\-]|{_CLASS})(?P<repeat>[*+?]|\{{\d{{1,2}}(?:,\d{{0,2}})?\}})?)"
                    r"|(?P<open>\((?:\?:)?)|(?P<close>\)\??)|(?P<bar>\|)")  # fmt: skip
_EVERYTHING = frozenset({".*", ".+", r"[\w.-]*", r"[\w.-]+"})
_REMEMBERED = 20_000


class PermissionAtFault(JobTrackerError):
    """A permission cannot be accepted as it is written; nothing is saved."""


class Needs(Enum):
    """What whoever asks must have for a route to answer; a test walks all routes by it."""

    ANYBODY = "anybody"
    LOGGED_IN = "logged in"
    FILTERED = "logged in; the answer holds only jobs that he sees"
    SEES_JOB = "sees the job that the path names"
    MAY_ACT = "may act on the job that the path names"
    SEES_ALL = "sees every job"
    COP = "cop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """One permission, read.  pattern: of jobs, api: of what is called, with which letters; both None for cop."""

    text: str
    pattern: re.Pattern[str] | None = None
    may_act: bool = False
    api: re.Pattern[str] | None = None
    letters: str = ""


@lru_cache(maxsize=1024)
def permission(text: str) -> Permission:
    """Read a permission.  Raises PermissionAtFault, with what would do instead."""
    if text == COP:
        return Permission(text=text, may_act=True)
    if (api := _API.fullmatch(text)) is not None:
        return Permission(text=text, api=_compiled(api[1]), letters=api[2] or "crud")
    if _KEPT.fullmatch(text):
        return Permission(text=text)
    found = _PERMISSION.fullmatch(text)
    if found is None:
        wanted = "write cop, job://REGEX/r or job://REGEX/x (or api://REGEX, for clients of core4)"
        raise PermissionAtFault(f"{text[:60]!r} is no permission; {wanted}")
    return Permission(text=text, pattern=_compiled(found[1]), may_act=found[2] == "x")


def _compiled(expression: str) -> re.Pattern[str]:
    """Compile what holds only letters, classes, groups, and repetitions of single characters."""
    shown = repr(expression[:60])
    if len(expression) > LONGEST:
        raise PermissionAtFault(f"{shown}…: an expression has at most {LONGEST} characters")
    at, depth, repeats = 0, 0, 0
    while at < len(expression):
        token = _TOKEN.match(expression, at)
        if token is None:
            what = f"{expression[at:]!r}" if len(expression) - at < 20 else f"{expression[at : at + 20]!r}…"
            raise PermissionAtFault(
                f"{shown}: {what} is not accepted here; letters, digits, _ . -, [classes], groups with |, and * + ? "
                "{m,n} behind a single character are"
            )
        depth += (token["open"] is not None) - (token["close"] is not None)
        repeats += token["repeat"] is not None and token["repeat"] != "?"
        at = token.end()
    if repeats > MOST_REPEATS:
        raise PermissionAtFault(f"{shown}: at most {MOST_REPEATS} parts may be repeated with * + or {{m,n}}")
    try:
        return re.compile(expression)
    except (re.error, OverflowError) as fault:
        raise PermissionAtFault(f"{shown}: {fault}") from fault


@dataclass(frozen=True, kw_only=True)
class Rights:
    """What a set of permissions opens.  Two with the same permissions are one class, and are told the same."""

    permissions: frozenset[str] = frozenset()
    _seen: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def _read(self) -> tuple[Permission, ...]:
        return tuple(permission(text) for text in self.permissions)

    @property
    def is_cop(self) -> bool:
        """Whether everything is allowed."""
        return COP in self.permissions

    @cached_property
    def sees_all(self) -> bool:
        """Whether no job is hidden, of those that are and of those to come."""
        return self.is_cop or any(each.pattern and each.pattern.pattern in _EVERYTHING for each in self._read)

    @cached_property
    def of_jobs(self) -> "Rights":
        """What of it concerns jobs: those who see the same are one class, whatever else they may."""
        return rights(frozenset(each.text for each in self._read if each.pattern or each.text == COP))

    def sees(self, job: str) -> bool:
        """Whether a job is shown."""
        if self.sees_all:
            return True
        known = self._seen.get(job)
        if known is None:
            known = any(each.pattern and each.pattern.fullmatch(job) for each in self._read)
            if len(self._seen) < _REMEMBERED:
                self._seen[job] = known
        return known

    def may_act(self, job: str) -> bool:
        """Whether a job may be paused, resumed and marked."""
        acting = (each for each in self._read if each.may_act)
        return any(each.pattern is None or each.pattern.fullmatch(job) for each in acting)

    def may_call(self, name: str, letter: str) -> bool:
        """Whether a handler, by core4's name for it, may be called; letter: c, r, u or d."""
        return self.is_cop or any(each.api and letter in each.letters and each.api.match(name) for each in self._read)


@lru_cache(maxsize=64)
def rights(permissions: frozenset[str]) -> Rights:
    """The rights of a set of permissions, the same object each time, so that what it remembers serves everybody."""
    return Rights(permissions=permissions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Somebody who asks.  name: empty for a stranger.  ticket: what is revoked when he logs out; until: when it ends.

    by: how he showed who he is: session, token, password, or proxy.
    """

    name: str = ""
    rights: Rights = field(default_factory=Rights)
    roles: tuple[str, ...] = ()
    by: str = ""
    ticket: str = ""
    until: int | None = None

    @property
    def is_somebody(self) -> bool:
        """Whether he is logged in."""
        return bool(self.name)

    @property
    def is_cop(self) -> bool:
        """Whether everything is allowed."""
        return self.rights.is_cop

    @property
    def sees_all(self) -> bool:
        """Whether no job is hidden from him."""
        return self.rights.sees_all

    def sees(self, job: str) -> bool:
        """Whether a job is shown to him."""
        return self.rights.sees(job)

    def may_act(self, job: str) -> bool:
        """Whether he may pause, resume and mark a job."""
        return self.rights.may_act(job)

    def has(self, needs: Needs, job: str) -> bool:
        """Whether he has what a route needs; job: that its path names."""
        match needs:
            case Needs.ANYBODY:
                return True
            case Needs.LOGGED_IN | Needs.FILTERED:
                return self.is_somebody
            case Needs.SEES_JOB:
                return self.is_somebody and self.sees(job)
            case Needs.MAY_ACT:
                return self.is_somebody and self.may_act(job)
            case Needs.SEES_ALL:
                return self.is_somebody and self.sees_all
            case Needs.COP:
                return self.is_somebody and self.is_cop


NOBODY = Who()


def granted(permissions: Iterable[str]) -> Rights:
    """The rights of permissions, each looked at.  Raises PermissionAtFault."""
    found = frozenset(permissions)
    for text in found:
        permission(text)
    return rights(found)
