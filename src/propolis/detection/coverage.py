"""What of ATT&CK this installation looks for, by tactic: techniques, the rules and lures about them, and their hits."""

from collections.abc import Iterable, Mapping

import msgspec

from propolis.detection.attack import TACTICS, technique_of, techniques


class Covered(msgspec.Struct, frozen=True):
    """A technique (its sub-techniques with it), the ids of the rules and lures about it, and what they found."""

    id: str
    name: str
    rules: tuple[str, ...] = ()
    lures: tuple[str, ...] = ()
    hits: int = 0

    @property
    def is_covered(self) -> bool:
        """Whether anything looks for it."""
        return bool(self.rules or self.lures)


class Tactic(msgspec.Struct, frozen=True):
    """One column of the matrix, its techniques ascending."""

    name: str
    techniques: tuple[Covered, ...]

    @property
    def covered(self) -> int:
        """How many of its techniques something looks for."""
        return sum(technique.is_covered for technique in self.techniques)


def coverage(
    rules: Iterable[tuple[str, str]], lures: Iterable[tuple[str, str]], hits: Mapping[str, int]
) -> tuple[Tactic, ...]:
    """The matrix. ``rules`` and ``lures`` are (id, technique) pairs, ``hits`` counts by id.

    A technique that is no technique of ATT&CK is left out. A technique of several tactics stands under each.
    O(rules + lures + techniques).
    """
    by_rule, by_lure = _by_technique(rules), _by_technique(lures)
    covered: dict[str, list[Covered]] = {tactic: [] for tactic in TACTICS}
    for technique in techniques().values():
        about = by_rule.get(technique.id, ()), by_lure.get(technique.id, ())
        found = sum(hits.get(name, 0) for name in {*about[0], *about[1]})
        one = Covered(technique.id, technique.name, *about, found)
        for tactic in technique.tactics:
            covered[tactic].append(one)
    return tuple(Tactic(name, tuple(each)) for name, each in covered.items())


def _by_technique(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, said in sorted(pairs):
        if technique := technique_of(said):
            found[technique.id] = (*found.get(technique.id, ()), name)
    return found
