"""The core and a second reading of the rules agree; further cases are judged by `second_reading.compare`."""

import pytest
from second_reading import cases
from second_reading.compare import compare, show, smaller
from second_reading.windows import NoWayOutError

SEEDS = (3,)
"""With each feature the configuration of one of them is in order, at least."""


ONCE_APART = (
    *(300458, 301332, 302058, 303378, 304337, 303152, 306114, 100125, 302493, 307190, 308196, 309313, 309659),
    500533,
)
"""Whose source delivered last where two do at one moment; pauses that end while a source is silent; several messages
heard at once of which nobody can tell what followed; two that are late at one moment of which nobody could tell;
several starts of one deadline after which none is to come."""


@pytest.mark.parametrize("feature", [*cases.MORE, None])
def test_two_readings_of_the_rules_agree(feature: str | None) -> None:
    """One was written without looking at the other: what both misread alike, nobody finds; what one does, this does.

    With None the cases are plain: those that knew these rules before there were others.
    """
    outcomes = []
    for seed in SEEDS:
        try:
            case = cases.case(seed, plain=feature is None, feature=feature)
        except NoWayOutError:
            continue
        outcomes.append(compare(case).split(":")[0])

        assert outcomes[-1] in ("same", "refused"), f"seed {seed}, {feature}: {show(smaller(case))}"
    assert "same" in outcomes


@pytest.mark.parametrize("seed", ONCE_APART)
def test_what_was_read_differently_once_is_read_alike(seed: int) -> None:
    """Each was decided from the text of the rules; `READINGS.md` says how."""
    case = cases.case(seed)

    assert compare(case) == "same", show(smaller(case))
