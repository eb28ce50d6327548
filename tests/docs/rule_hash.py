"""A small model of Checkmk's Event Console: which event a message opens, changes or cancels, by which rule.

Rule: what it does is what the Event Console does with its default, the rule hash; what it does not know, it refuses.

- A rule stands in the hash under the priorities range(to, from + 1) of "match" and of "cancel": from the larger number
  to the smaller one.  The other way round that range is empty.
- Conditions are regular expressions that are searched, anywhere and without regard to case; one without any special
  character is compared as it is: whole for a host, anywhere for the rest.
- Of the rules in a message's place the first that matches decides; where none does, the message is dropped.
- A message that cancels takes away what its rule has opened with the same host and application.
- Without counting each message opens another event; with it there is one per host and application.
- An event for a message that did not come has no host and application but what the rule rewrites.
"""

import re
from dataclasses import dataclass, field
from typing import Any

KNOWN = {
    *("id", "description", "comment", "docu_url", "disabled", "sl", "state", "actions", "cancel_actions"),
    *("cancel_action_phases", "autodelete", "match_host", "match_application", "match", "match_priority"),
    *("cancel_priority", "count", "expect", "livetime", "set_host", "set_application"),
}
SET_BY_SYSLOG = -1
LINE = re.compile(r"<(\d+)>@(\d{10})(?:;(\d+))? (\S+) (\S+?): (.*)")

Rule = dict[str, Any]


@dataclass(kw_only=True)
class Open:
    """An open event."""

    rule: str
    host: str
    application: str
    state: int
    text: str
    service_level: int
    count: int = 1
    acknowledged: bool = False


@dataclass
class Console:
    """The Event Console with one pack of rules."""

    rules: list[Rule]
    events: list[Open] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = {key for rule in self.rules for key in rule} - KNOWN
        assert not unknown, f"the model does not know {unknown}"
        self.places: list[list[Rule]] = [[rule for rule in self.rules if at in needed(rule)] for at in range(8)]

    def hear(self, line: str) -> None:
        """Take in one line, as send-notification.py writes it."""
        found = LINE.fullmatch(line)
        assert found, line
        priority, level = int(found[1]) % 8, int(found[3] or 0)
        for rule in self.places[priority]:
            if not conditions_hold(rule, found[4], found[5], found[6]):
                continue
            if within(priority, rule.get("cancel_priority")):
                self.cancel(rule, found[4], found[5])
                return
            if "match_priority" not in rule or within(priority, rule["match_priority"]):
                self.take(rule, found[4], found[5], found[6], priority, level)
                return

    def take(self, rule: Rule, host: str, application: str, text: str, priority: int, level: int) -> None:
        """Count the message, or open an event."""
        if "expect" in rule:
            self.seen[rule["id"]] = self.seen.get(rule["id"], 0) + 1
            return
        event = Open(
            rule=rule["id"],
            host=host,
            application=application,
            state=(2, 2, 2, 2, 1, 0, 0, 0)[priority] if rule["state"] == SET_BY_SYSLOG else rule["state"],
            text=text,
            service_level=level,
        )
        for other in self.events if "count" in rule else ():
            same = (other.rule, other.host, other.application) == (event.rule, event.host, event.application)
            if same and (rule["count"]["count_ack"] or not other.acknowledged):
                other.state, other.text, other.count = event.state, event.text, other.count + 1
                return
        self.events.append(event)

    def cancel(self, rule: Rule, host: str, application: str) -> None:
        """Take away what the rule has opened for these."""
        gone = (rule["id"], host, application)
        self.events = [each for each in self.events if (each.rule, each.host, each.application) != gone]

    def interval_ends(self) -> None:
        """Raise what is missing of the messages that are expected."""
        for rule in self.rules:
            if "expect" not in rule or self.seen.pop(rule["id"], 0) >= rule["expect"]["count"]:
                continue
            mergeable = [e for e in self.events if e.rule == rule["id"]]
            if mergeable:
                mergeable[0].count += 1
                continue
            host, application = rule.get("set_host", ""), rule.get("set_application", "")
            text = "Expected message did not arrive"
            self.events.append(
                Open(
                    rule=rule["id"], host=host, application=application, state=rule["state"], text=text, service_level=0
                )
            )


def needed(rule: Rule) -> set[int]:
    """The priorities under which the hash has the rule."""
    found: set[int] = set()
    for key in ("match_priority", "cancel_priority"):
        if key in rule:
            first, last = rule[key]
            found.update(range(last, first + 1))
        elif key == "match_priority":
            found.update(range(8))
    return found


def within(priority: int, bounds: tuple[int, int] | None) -> bool:
    """Whether it lies in the range, in either order: that is how the GUI's simulator is fooled."""
    return bounds is not None and min(bounds) <= priority <= max(bounds)


def conditions_hold(rule: Rule, host: str, application: str, text: str) -> bool:
    """Whether host, application and text are the rule's."""
    return (
        found(rule.get("match_host"), host, whole=True)
        and found(rule.get("match_application"), application, whole=False)
        and found(rule.get("match"), text, whole=False)
    )


def found(pattern: str | None, text: str, *, whole: bool) -> bool:
    """Whether a condition holds, as the Event Console reads it."""
    if not pattern:
        return True
    if not set(pattern) & set(".?*+^$|[](){}\\"):
        return pattern.lower() == text.lower() if whole else pattern.lower() in text.lower()
    return re.search(pattern, text, re.IGNORECASE) is not None
