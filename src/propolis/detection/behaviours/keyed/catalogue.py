"""Every counter there is, by what it counts."""

from collections.abc import Callable
from typing import Any, NamedTuple

from propolis.detection.behaviours.keyed.beacon import Beacon
from propolis.detection.behaviours.keyed.burst import Burst
from propolis.detection.behaviours.keyed.contacts import Contacts
from propolis.detection.behaviours.keyed.counter import Counter, Facts
from propolis.detection.behaviours.keyed.crowd import Crowd, Keys
from propolis.detection.behaviours.keyed.enumeration import Enumeration
from propolis.detection.behaviours.keyed.fan import Horizontal, Spraying, Vertical
from propolis.detection.behaviours.keyed.flows import Flows
from propolis.detection.behaviours.keyed.logins import Logins
from propolis.detection.behaviours.keyed.names import Names
from propolis.detection.behaviours.keyed.sequence import Grades, Sequence
from propolis.detection.behaviours.keyed.siphash import Key
from propolis.detection.behaviours.keyed.slow import Slow
from propolis.detection.behaviours.keyed.stuffing import Stuffing
from propolis.detection.behaviours.keyed.trw import Scan, Scatter


class Family(NamedTuple):
    """Counters over facts of one kind. Any: what ``read`` takes is the family's own.

    ``read`` makes facts of a batch and the key of the table; a counter is given what those before it made of the rows.
    """

    name: str
    read: Callable[[Any, Key], Facts]
    counters: tuple[Counter[Any], ...]


FLOW = Family(
    "flow",
    Flows,
    (Contacts(), Horizontal(), Vertical(), Scan(), Scatter(), Slow(), Beacon(), Burst()),
)
LOGIN = Family("login", Logins, (Spraying(), Stuffing()))
NAME = Family("name", Names, (Enumeration(),))
KEY = Family("key", Keys, (Crowd(),))
GRADE = Family("grade", Grades, (Sequence(),))

FAMILIES: tuple[Family, ...] = (FLOW, LOGIN, NAME, KEY, GRADE)
"""A rule names one as ``logsource.kind``, and one of its counters as ``detection.behaviour``."""
