import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from batches import batch_of, engine_of
from propolis.detection import files as module
from propolis.detection.files import MAX_BYTES, MAX_MATCHES, Files, Folder, claim_of_match, fault_of
from propolis.errors import RuleError
from propolis.events import Event, Malformed, PayloadReceived, RequestReceived
from propolis.findings import GRADES, SEVERITIES, Finding

BOT = """\
rule bot {
  meta: description = "A bot for small devices" grade = "attempt" confidence = 92 cve = "CVE-2099-0001"
  strings: $a = "zyx-bot-marker"
  condition: $a
}
"""
PROGRAM = 'rule program { meta: grade = "scan" confidence = 40 condition: uint32(0) == 0x464c457f }'
BAD = "rule one { condition: true }\nrule two { condition: nobody }"
TEXT = b"POST / HTTP/1.1\r\nHost: a\r\n\r\n\x7fELF...zyx-bot-marker..."


@pytest.fixture
def told() -> Iterator[list[Any]]:
    with capture_logs() as notes:
        yield notes


def folder(path: Path, **files: str) -> Folder:
    for name, text in files.items():
        (path / f"{name}.yar").write_text(text)
    return Folder(path)


def compiled(path: Path, **files: str) -> Files:
    return Files(looked(folder(path, **files)))


def looked(watched: Folder) -> Any:
    rules = watched.look()
    assert rules is not None
    return rules


def found(files: Files, *events: Event) -> tuple[Finding, ...]:
    engine = engine_of()
    engine.scan_with(files)
    batch = batch_of([(f"198.18.0.{place}", event) for place, event in enumerate(events)])
    return engine.step(batch, engine.fresh(), 0, 7)[0]


def request(raw: bytes) -> RequestReceived:
    return RequestReceived("POST", "/", "a", "", raw, raw.find(b"\r\n\r\n") + 4)


def test_a_finding_names_the_rule_and_what_it_says(tmp_path: Path) -> None:
    files = compiled(tmp_path, bot=BOT, program=PROGRAM)
    told = [one for one in found(files, request(TEXT)) if one.rule.startswith("yara:")]
    assert [(one.rule, one.grade, one.confidence, one.kind) for one in told] == [
        ("yara:bot", "attempt", 92, "file"),
        ("yara:program", "scan", 40, "file"),
    ]
    assert (told[0].title, told[0].cve) == ("A bot for small devices", ("CVE-2099-0001",))
    assert told[0].evidence[0].sequence == 7


@pytest.mark.parametrize(
    "event", [PayloadReceived(b"\0" * 40 + b"zyx-bot-marker"), Malformed("no", b"a" * 40 + b"zyx-bot-marker")]
)
def test_payloads_and_broken_messages_are_scanned(tmp_path: Path, event: Event) -> None:
    assert "yara:bot" in {one.rule for one in found(compiled(tmp_path, bot=BOT), event)}


def test_the_head_of_a_request_is_no_file(tmp_path: Path) -> None:
    assert not found(compiled(tmp_path, bot=BOT), request(b"GET /zyx-bot-marker HTTP/1.1\r\nHost: a\r\n\r\n"))


def test_what_is_sent_again_is_told_once(tmp_path: Path) -> None:
    engine = engine_of()
    engine.scan_with(compiled(tmp_path, bot=BOT))
    batch = batch_of([("198.18.0.1", PayloadReceived(b"\0" * 40 + b"zyx-bot-marker"))] * 3)
    (one,) = engine.step(batch, engine.fresh(), 0, 7)[0]
    assert one.count == 3


def test_a_mistake_is_told_with_file_and_line_and_the_others_stay_live(
    tmp_path: Path, told: list[Any]
) -> None:
    files = compiled(tmp_path, bot=BOT, bad=BAD)
    (note,) = [note for note in told if note["event"] == "YaraRefused"]
    assert (note["file"], note["line"]) == (str(tmp_path / "bad.yar"), 2)
    assert "nobody" in note["why"]
    assert [claim.name for claim in files.scan(TEXT)] == ["yara:bot"]


def test_what_a_file_said_before_stays_when_it_breaks_and_goes_when_it_goes(tmp_path: Path) -> None:
    watched = folder(tmp_path, bot=BOT)
    assert watched.look() is not None
    assert watched.look() is None
    (tmp_path / "bot.yar").write_text("rule bot {")
    assert Files(looked(watched)).scan(TEXT)
    (tmp_path / "bot.yar").unlink()
    assert Files(looked(watched)).scan(TEXT) == ()


def test_a_rule_file_reads_no_other_file(tmp_path: Path) -> None:
    fault = fault_of('include "/etc/passwd"\nrule a { condition: true }', tmp_path / "a.yar")
    assert fault is not None
    assert "include" in fault.why


def test_a_folder_that_is_not_there_is_an_operators_mistake(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"detection.yara: is not a folder"):
        Folder(tmp_path / "none").look()


async def test_a_file_that_is_saved_goes_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)
    watched, heard = folder(tmp_path), asyncio.Queue[Files]()
    watched.look()
    following = asyncio.ensure_future(watched.follow(heard.put_nowait))
    (tmp_path / "bot.yara").write_text(BOT)
    files = await asyncio.wait_for(heard.get(), 20)
    following.cancel()
    assert files.scan(TEXT)


def test_only_so_much_is_scanned_and_so_many_are_told(tmp_path: Path) -> None:
    many = "\n".join(f"rule r{number} {{ condition: filesize > 0 }}" for number in range(MAX_MATCHES + 5))
    files = compiled(tmp_path, many=many, bot=BOT)
    assert len(files.scan(TEXT)) == MAX_MATCHES
    assert "yara:bot" not in {claim.name for claim in files.scan(b"\0" * MAX_BYTES + TEXT)}
    assert files.scan(b"short") == ()


def test_a_scan_that_takes_too_long_is_told(tmp_path: Path, told: list[Any]) -> None:
    slow = "rule slow { condition: for all i in (0..100000) : ( for all j in (0..100000) : ( i + j >= 0 ) ) }"
    assert compiled(tmp_path, slow=slow).scan(TEXT) == ()
    assert [note["limit"] for note in told if note["event"] == "LimitHit"] == ["TIMEOUT_SECONDS"]


def test_without_rules_the_library_is_not_loaded() -> None:
    code = "import sys, propolis.detection.stage; print('yara_x' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "False\n"


@given(
    st.dictionaries(
        st.sampled_from(["grade", "confidence", "severity", "technique", "cve", "description"]),
        st.one_of(st.integers(), st.text(), st.booleans(), st.floats()),
    )
)
def test_any_metadata_makes_a_claim(meta: dict[str, Any]) -> None:
    claim = claim_of_match("r", meta)
    assert claim.grade in GRADES
    assert claim.severity in SEVERITIES
    assert 0 <= claim.confidence <= 100
    assert claim.title.isprintable()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_scanned(text: bytes) -> None:
    files = _once()
    assert len(files.scan(text)) <= MAX_MATCHES


_known: list[Files] = []


def _once() -> Files:
    if not _known:
        import yara_x  # noqa: PLC0415 - as the module itself

        _known.append(Files(yara_x.compile(BOT + PROGRAM)))
    return _known[0]
