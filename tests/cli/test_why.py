import http.client
import time
from typing import Any

import pytest

from installation import Installation
from judging import finding
from propolis.cli.why import held
from propolis.clock import SECOND, ManualClock
from propolis.detection.proof import Proof

pytestmark = pytest.mark.xdist_group("installation")

ATTACKER = "127.67.0.1"
WAIT_SECONDS = 40.0


def explained(installation: Installation) -> dict[str, Any]:
    (port,) = installation.config.lures["http"].ports
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20, source_address=(ATTACKER, 0))
    client.request("GET", "/ping?host=127.0.0.1;cat%20/etc/passwd")
    client.getresponse().read()
    client.close()
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        said = installation.json("why", ATTACKER)
        if said["findings"]:
            return dict(said)
        time.sleep(0.5)
    raise AssertionError("nothing was found")


def test_an_address_is_explained_by_what_was_found_about_it(installation: Installation) -> None:
    said = explained(installation)
    assert said["explanation"]["probability"] > 0.9
    assert said["explanation"]["parts"][0]["weight"] > 1
    words = installation.say("why", ATTACKER)
    assert words.startswith(f"{ATTACKER}: means harm with ")
    assert said["explanation"]["parts"][0]["rule"] in words
    assert "nothing was found" in installation.say("why", "127.67.0.99")
    assert "is not an address" in installation.mistake("why", "nobody")


def test_a_proof_stands_against_what_was_found() -> None:
    clock = ManualClock()
    about = [
        finding(source="198.51.100.10", technique="T1595", grade="scan", confidence=85, last_seen=clock.now())
    ]
    alone = held("198.51.100.10", about, None, clock)
    proved = held("198.51.100.10", about, Proof("Google", "search", "crawl-10.googlebot.com"), clock)
    assert alone.explanation.probability > 0.9
    assert proved.explanation.probability < 0.05
    assert {(part.group, part.rule) for part in proved.explanation.parts} == {
        ("looked", about[0].rule),
        ("proved", "crawl-10.googlebot.com"),
    }
    clock.advance(30 * 86_400 * SECOND)
    assert held("198.51.100.10", about, None, clock).explanation.parts[0].weight < 0.01
