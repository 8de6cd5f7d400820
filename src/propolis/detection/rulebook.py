"""Which rules are live: those of the files, and those that were pushed, which stand before a file's of the same id.

A pushed rule is on trial until it is promoted: what it finds is told, but graded *seen* with no confidence, so that no
line of a policy that asks for any acts on it, and it makes nobody else's finding any surer.

No clock, no stream: whoever follows those tells the book what came.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from propolis.detection.promotion import Promotion, split
from propolis.detection.rules import BUILT_IN, Rule, RuleSet, parse
from propolis.detection.rules.load import MAX_RULES
from propolis.errors import RuleError
from propolis.flaws.intake import Intake
from propolis.flaws.signature import RULE, Envelope
from propolis.notes import Note, RuleLive, RuleRefused, RuleRolledBack
from propolis.stream import Stored

Origin: TypeAlias = Literal["pushed", "folder", "built-in"]


class LiveRule(msgspec.Struct, frozen=True):
    """A rule as its file says, whence it is, and as it is judged by; ``version`` and ``text`` if it was pushed."""

    rule: Rule
    origin: Origin
    judged: Rule
    version: int = 0
    text: str = ""
    promotion: Promotion | None = None

    @property
    def is_on_trial(self) -> bool:
        """Whether it may find and not be the cause of anything."""
        return self.judged is not self.rule


class Rulebook:
    """``files`` are the rules of the files; ``trusted`` gives the public keys whose pushes are believed."""

    def __init__(self, files: RuleSet, trusted: Callable[[], Sequence[str]]) -> None:
        self._files = {rule.id: LiveRule(rule, _origin(rule), rule) for rule in files.rules}
        self._pushed: dict[str, LiveRule] = {}
        self._intake = Intake(RULE, trusted, self._accept, lambda name, why: RuleRefused(id=name, why=why))

    @property
    def live(self) -> Mapping[str, LiveRule]:
        """Every rule by id, those of the files first and in their order. O(rules)."""
        added = {name: self._pushed[name] for name in sorted(self._pushed)}
        return self._files | added

    @property
    def pushed(self) -> int:
        """How many are live because they were pushed."""
        return len(self._pushed)

    def rules(self) -> RuleSet:
        """What an engine judges by: the files' rules in their order, some replaced, then the others by id. O(rules)."""
        return RuleSet(tuple(rule.judged for rule in self.live.values()))

    def deliver(self, messages: Iterable[Stored]) -> list[Note]:
        """Messages of the bucket ``lures`` (keys ``rule.<id>``), in any order: of each the newest good one goes live.

        What is not signed by somebody trusted, is older, or fails its own examples is refused; what was live stays.
        """
        return self._intake.deliver(messages)

    def _accept(self, envelope: Envelope) -> Note:
        """Raises :class:`~propolis.errors.PropolisError` for a text that cannot go live."""
        name, version = envelope.id, envelope.version
        if not envelope.text:
            self._pushed.pop(name, None)
            return RuleRolledBack(id=name, version=version, repeats=0)
        text, promotion = split(envelope.text)
        path = Path(f"{name}.yaml version {version}")
        rule = parse(text.encode(), path)
        if rule.id != name:
            raise RuleError(path, "id", f"is {rule.id!r}, and it was pushed as {name!r}")
        if name not in self.live and len(self.live) >= MAX_RULES:
            raise RuleError(path, "", f"there are {MAX_RULES} rules already; roll some back")
        judged = rule if promotion else on_trial(rule)
        self._pushed[name] = LiveRule(rule, "pushed", judged, version, text, promotion)
        if envelope.repeats:
            return RuleRolledBack(id=name, version=version, repeats=envelope.repeats)
        return RuleLive(id=name, version=version, trial=promotion is None)


def on_trial(rule: Rule) -> Rule:
    """The same rule, which finds as much and proves nothing."""
    return msgspec.structs.replace(rule, grade="seen", confidence=0, title=f"{rule.title} (on trial)")


def _origin(rule: Rule) -> Origin:
    return "built-in" if Path(rule.path).parent == BUILT_IN else "folder"
