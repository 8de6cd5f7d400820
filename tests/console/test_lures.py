import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given

from lure_files import lure_text
from nouns import findings
from propolis.console.known import Playing
from propolis.console.lures import _catch, _played, _row, _words
from propolis.findings import Finding
from propolis.flaws.file import parse
from propolis.flaws.shelf import Live
from propolis.flaws.standing import Played, Standing
from propolis.stream import Stream, connect, folder
from watching import heartbeat

LURE = Live(parse(lure_text("hive-box", ports="[80, 8080]"), "hive-box.yaml"), "pushed", 3)


def test_a_row_says_what_and_whence() -> None:
    row = _row(LURE, 12_000)
    assert (row["lure"], row["cve"], row["ports"]) == ("hive-box", "CVE-2099-0001", "80 8080")
    assert (row["origin"], row["hits"]) == ("pushed v3", "12,000")
    assert _row(Live(parse(lure_text(), "x"), "built-in"), 0)["ports"] == "any"


@pytest.mark.parametrize("word", ["hive", "cve-2099-0001", "command-injection", "runs cmd", "pushed"])
def test_it_is_found_by_what_one_knows_of_it(word: str) -> None:
    assert word in _words(LURE)


def test_what_a_port_plays_says_until_when() -> None:
    row = _played(Playing("edge", Played(80, "nginx", ()), 1_700_000_000 * 10**9))
    assert (row["products"], row["until"]) == ("the server alone", "2023-11-14 22:13")
    assert _played(Playing("edge", Played(80, "nginx", ("a", "b")), 0))["until"] == "for good"


@given(findings())
def test_every_finding_is_a_row_of_text(found: Finding) -> None:
    assert all(isinstance(value, str) and value.isprintable() for value in _catch(found).values())


@pytest.fixture
def sensor(hive: Any) -> Iterator[None]:
    """A sensor that says what it plays and what it was asked, as long as the test lasts."""
    standing = Standing(
        live=1,
        hits={"log4shell": 41},
        cast=(Played(8090, "tomcat", ("confluence",)),),
        refused={"hive-box": "was changed after it was signed"},
    )
    beat = msgspec.structs.replace(heartbeat(), figures=standing.figure())

    async def with_stream(put: bool) -> None:  # noqa: FBT001 - or take away
        stream: Stream = await connect(
            f"nats://{hive.config.stream.listen}",
            "test",
            credential=folder(hive.config) / "credentials" / "owner.nk",
        )
        if put:
            await stream.put("sensors", "sensor.edge.0", msgspec.json.encode(beat), ttl_seconds=60)
        else:
            await stream.delete("sensors", "sensor.edge.0")
        await stream.close()

    asyncio.run(with_stream(put=True))
    yield
    asyncio.run(with_stream(put=False))


@pytest.mark.root
def test_the_page_says_what_is_played_what_was_hit_and_what_is_refused(
    visit: Any, hive: Any, sensor: None
) -> None:
    visit.click("header a", "Lures")
    visit.until("return location.pathname == '/lures'")
    visit.until("return document.querySelector('.cast tbody')?.innerText.includes('confluence')")
    assert "8090" in visit.text_of(".cast tbody")
    assert "was changed after it was signed" in visit.text_of(".refused tbody")
    first = visit.until("return document.querySelector('.lures tbody tr')?.innerText.includes('41') && true")
    assert first
    assert "log4shell" in visit.text_of(".lures tbody tr")


@pytest.mark.root
def test_a_search_finds_a_cve_and_a_lure_shows_its_requests_byte_by_byte(visit: Any, hive: Any) -> None:
    visit.chromium.get(f"{hive.url}/lures")
    visit.until("return document.querySelectorAll('.lures tbody tr').length > 5")
    visit.type(".card input", "CVE-2021-44228")
    visit.until(
        "const rows = [...document.querySelectorAll('.lures tbody tr')];"
        "return rows.length && rows.length < 5 && rows.some(r => r.innerText.includes('log4shell'))"
    )
    visit.click(".lures tbody td", "log4shell")
    assert "T1190" in visit.text_of(".card.lure .dim")
    assert "No request among the latest findings" in visit.text_of(".card.lure")
    visit.click(".card.lure button", "Close")
    visit.until("return !document.querySelector('.card.lure')")


@pytest.mark.root
def test_a_captured_request_opens_from_its_lure(visit: Any, hive: Any) -> None:
    found = hive.attack("203.0.113.77", rule="log4shell")
    visit.chromium.get(f"{hive.url}/lures")
    visit.until("return document.querySelectorAll('.lures tbody tr').length > 5")
    visit.type(".card input", "log4shell")
    visit.click(".lures tbody td", "log4shell")
    visit.click(".caught tbody td", "203.0.113.77")
    dump = visit.text_of(".evidence:not(.lure) .bytes")
    assert dump.startswith("00000000  50 4f 53 54 20 2f 63 67  69 2d 62 69 6e")
    assert found.rule == "log4shell"


@pytest.mark.root
def test_nothing_on_the_page_breaks_its_policy(visit: Any, hive: Any) -> None:
    visit.chromium.get_log("browser")  # what other tests did to the page
    visit.chromium.get(f"{hive.url}/lures")
    visit.until("return document.querySelectorAll('.lures tbody tr').length > 5")
    assert [entry for entry in visit.chromium.get_log("browser") if entry["level"] == "SEVERE"] == []
