import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from propolis.console.rules import _row, _words, heat
from propolis.detection.promotion import Backtested, Promotion
from propolis.detection.rulebook import LiveRule, on_trial
from propolis.flaws.standing import RULES, Standing
from propolis.stream import Stream, connect, folder
from rule_files import rule_of
from watching import heartbeat

RULE = rule_of("ants", "nest")
TRIAL = LiveRule(RULE, "pushed", on_trial(RULE), 3)
PROMOTION = Promotion(by="a", made=1, reason="r", backtested=Backtested(events=1, findings=0, sources=0))


def test_a_row_says_what_it_proves_and_whether_it_counts() -> None:
    row = _row(TRIAL, 12_000)
    assert (row["grade"], row["confidence"], row["hits"]) == ("attempt", "95 %", "12,000")
    assert row["origin"] == "pushed v3, on trial"
    assert _row(LiveRule(RULE, "pushed", RULE, 4, "", PROMOTION), 0)["origin"] == "pushed v4"
    assert _row(LiveRule(RULE, "built-in", RULE), 0)["origin"] == "built-in"


@pytest.mark.parametrize("word", ["ants", "runs ants", "t1190", "pushed"])
def test_it_is_found_by_what_one_knows_of_it(word: str) -> None:
    assert word in _words(TRIAL)


def test_a_technique_is_hotter_the_more_was_found() -> None:
    assert [heat(hits) for hits in (0, 1, 9, 10, 999, 1_000, 10**9)] == [0, 1, 1, 2, 3, 4, 4]


@pytest.fixture
def detector(hive: Any) -> Iterator[None]:
    """A detector that says what it found, as long as the test lasts."""
    standing = Standing(
        live=45, hits={"log4shell": 41}, refused={"hive-rule": "was changed after it was signed"}
    )
    beat = msgspec.structs.replace(heartbeat(), stage="detect", figures=standing.figure(RULES))

    async def with_stream(put: bool) -> None:  # noqa: FBT001 - or take away
        stream: Stream = await connect(
            f"nats://{hive.config.stream.listen}",
            "test",
            credential=folder(hive.config) / "credentials" / "owner.nk",
        )
        if put:
            await stream.put("sensors", "detect.edge.0", msgspec.json.encode(beat), ttl_seconds=60)
        else:
            await stream.delete("sensors", "detect.edge.0")
        await stream.close()

    asyncio.run(with_stream(put=True))
    yield
    asyncio.run(with_stream(put=False))


@pytest.mark.root
def test_the_page_is_a_map_of_what_is_looked_for_and_found(visit: Any, hive: Any, detector: None) -> None:
    visit.chromium.get(f"{hive.url}/rules")
    visit.until("return document.querySelectorAll('.rules tbody tr').length > 5")
    visit.until("return document.querySelectorAll('.matrix .tactic').length === 14")
    visit.until(
        "const hot = [...document.querySelectorAll('.technique.heat2')];"
        "return hot.some(e => e.innerText.includes('T1190') && e.innerText.includes('41 hits'))"
    )
    assert visit.until("return document.querySelectorAll('.technique.open').length > 100")
    assert "hive-rule" in visit.text_of(".refused tbody tr")
    assert "log4shell" in visit.text_of(".rules tbody tr")


@pytest.mark.root
def test_a_search_finds_a_rule_which_is_told_as_a_tree_with_its_requests(visit: Any, hive: Any) -> None:
    hive.attack("203.0.113.78", rule="thinkphp-invoke")
    visit.chromium.get(f"{hive.url}/rules")
    visit.until("return document.querySelectorAll('.rules tbody tr').length > 5")
    visit.type(".card input", "thinkphp-invoke")
    visit.until("return document.querySelectorAll('.rules tbody tr').length === 1")
    visit.click(".rules tbody td", "thinkphp-invoke")
    assert "an event of kind" in visit.text_of(".card.rule .tree")
    assert "T1190" in visit.text_of(".card.rule .dim")
    visit.click(".caught tbody td", "203.0.113.78")
    assert visit.text_of(".evidence:not(.rule) .bytes").startswith("00000000  50 4f 53 54")


@pytest.mark.root
def test_nothing_on_the_page_breaks_its_policy(visit: Any, hive: Any) -> None:
    visit.chromium.get_log("browser")  # what other tests did to the page
    visit.chromium.get(f"{hive.url}/rules")
    visit.until("return document.querySelectorAll('.rules tbody tr').length > 5")
    assert [entry for entry in visit.chromium.get_log("browser") if entry["level"] == "SEVERE"] == []
