"""The bounds and orders of versions are tested through the shelf; here: what else than lures it takes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from propolis.errors import PropolisError
from propolis.flaws import signature
from propolis.flaws.intake import Intake
from propolis.flaws.signature import LURE, RULE, Cargo, Envelope
from propolis.notes import LureLive, LureRefused, Note
from propolis.stream import Stored

Push = Callable[..., Envelope]


def accept(envelope: Envelope) -> Note:
    if envelope.text == "bad":
        raise PropolisError("is bad")
    return LureLive(id=envelope.id, version=envelope.version, origin=envelope.text)


def refuse(name: str, why: str) -> Note:
    return LureRefused(id=name, why=why)


@pytest.fixture
def push(tmp_path: Path) -> Push:
    signature.make_key(tmp_path / "key.pem")
    private = signature.read_key(tmp_path / "key.pem")

    def signed(version: int, text: str = "good", cargo: Cargo = RULE) -> Envelope:
        plain = Envelope(id="one", version=version, made=1, text=text, repeats=0, key="")
        return signature.sign(plain, private, cargo)

    return signed


@pytest.fixture
def intake(tmp_path: Path, push: Push) -> Intake:
    public = signature.public_text(signature.read_key(tmp_path / "key.pem"))
    return Intake(RULE, lambda: (public,), accept, refuse)


def stored(envelope: Envelope, subject: str = "$KV.lures.rule.one") -> Stored:
    return Stored(subject, 1, 0, signature.encode(envelope), {})


def test_the_newest_good_version_is_accepted_whatever_the_order(intake: Intake, push: Push) -> None:
    notes = intake.deliver([stored(push(3, "bad")), stored(push(1)), stored(push(2))])
    assert notes == [LureRefused(id="one", why="is bad"), LureLive(id="one", version=2, origin="good")]
    assert intake.versions == {"one": 2}


def test_an_older_version_than_the_one_that_is_live_is_refused(intake: Intake, push: Push) -> None:
    intake.take([push(2)])
    (note,) = intake.take([push(1)])
    assert isinstance(note, LureRefused)
    assert "is older than version 2" in note.why


def test_what_was_signed_as_a_lure_is_no_rule(intake: Intake, push: Push) -> None:
    (note,) = intake.deliver([stored(push(1, cargo=LURE))])
    assert isinstance(note, LureRefused)
    assert "was changed after it was signed" in note.why
    assert intake.versions == {}


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff" * 100])
def test_what_is_no_envelope_is_refused(intake: Intake, data: bytes) -> None:
    (note,) = intake.deliver([Stored("$KV.lures.rule." + "x" * 200, 1, 0, data, {})])
    assert isinstance(note, LureRefused)
    assert note.id == "x" * 80
    assert note.why.startswith("is no signed rule")


def test_a_version_under_the_key_of_another_and_a_deleted_key_are_refused(intake: Intake, push: Push) -> None:
    deleted = Stored("$KV.lures.rule.one", 1, 0, b"", {"KV-Operation": "DEL"})
    notes = intake.deliver([stored(push(1), "$KV.lures.rule.two"), deleted])
    assert [type(note) for note in notes] == [LureRefused, LureRefused]
    assert [getattr(note, "why", "").split(";")[0] for note in notes] == [
        "is the rule 'one' under another one's key",
        "its key was deleted, which nobody signed",
    ]
