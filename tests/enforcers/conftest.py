"""Decisions for enforcers to act on."""

from collections.abc import Callable

import pytest

from propolis.clock import SECOND
from propolis.decisions import Action, Decision, State, target_of


def _decide(
    text: str, now: int, *, seconds: float = 600.0, action: Action = "block", state: State = "active"
) -> Decision:
    return Decision(
        id="0190a0a0-0000-7000-8000-000000000001",
        target=target_of(text),
        action=action,
        state=state,
        since=now,
        until=now + int(seconds * SECOND),
        reason="tried a credential",
        finding="00" * 16,
        rule="credential",
        grade="attempt",
        confidence=90,
        evidence_class="dialogue",
        first_packet=now,
        found=now,
        decided=now,
    )


@pytest.fixture(scope="session")
def decide() -> Callable[..., Decision]:
    return _decide
