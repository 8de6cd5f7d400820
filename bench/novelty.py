"""Whether what is new and spreading comes to the top of the queue, whether it is told apart, and what that costs.

Method. *Campaigns*: requests with a CVE from ``http_exploits`` are what breaks out; everything else, scanners' looks
for panels and files (``http_recon``), other exploits, browsers and crawlers (``http_benign``), real hits
(``honeypot_http``) and commands of real intrusions (``ssh_sessions``), is what a decoy sees every day. Of 40 CVEs drawn
at random, one at a time, all requests are held back. The background, 6,000 events of a day, each drawn by chance from
2,000 addresses, is taken first; then, for one day, a quarter as much of it and the campaign: 24 addresses that each
send a request of the CVE, its numbers, hosts and words that look drawn changed at random each time. ``median_rank`` and
``in_first_10`` are the place of the campaign's best cluster in the queue a day after it began. No request that the
file gives this CVE is in the background; another CVE's may look like it, as in life. No event names a flaw here, so a
request that a lure knows competes as if none did.

*Clusters*: homogeneity and completeness (Rosenberg & Hirschberg, 2007; 0 to 1) of the clusters of 300 requests, eight
times varied in this way, against the request that each came from.

*Cost*: ``microseconds_per_row`` of batches of 1,000 rows with 20 different texts, ``microseconds_per_text`` where each
row has another one, all met before; ``microseconds_per_fresh_text`` where none was; ``bytes`` of a checkpoint after
10,000 texts; ``seconds_per_queue`` to put the queue together.

Usage: python -m bench.novelty [CAMPAIGNS]
"""

import json
import math
import random
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from bench.corpus import corpus
from bench.exploit_naming import message
from bench.hive import report
from propolis.clock import MILLISECOND, SECOND
from propolis.detection.novelty.novelty import Novelty
from propolis.events import CommandRun, Connection, Event, Interaction, RequestReceived, pack, shard_of
from propolis.events.interaction import to_batch

BEGIN = 1_700_000_000 * SECOND
DAY = 86_400 * SECOND
SOURCES = 24
BACKGROUND = 6_000
ADDRESSES = 2_000
ROWS = 1_000

_VARIED = re.compile(
    rb"(?<![A-Za-z0-9])(?:\d{3,}|(?=[a-z]*\d)(?=\d*[a-z])[a-z0-9]{8,}|[a-z0-9.]+\.(?:example|test|invalid)\b)"
)


def varied(raw: bytes, chance: random.Random) -> bytes:
    """The request as another tool would send it: what looks drawn is drawn anew, and the client is another."""

    def anew(found: re.Match[bytes]) -> bytes:
        return bytes(
            chance.choice(b"0123456789")
            if 48 <= byte < 58
            else chance.choice(b"abcdefghijklmnop")
            if byte != 46
            else byte
            for byte in found[0]
        )

    head, gap, body = raw.partition(b"\r\n\r\n")
    line, _, headers = head.partition(b"\r\n")
    headers = re.sub(rb"(?i)(?<=user-agent: )[^\r\n]*", b"agent/%d" % chance.randrange(1_000), headers)
    return b"".join((_VARIED.sub(anew, line), b"\r\n", headers, gap, _VARIED.sub(anew, body)))


def rows_of(name: str) -> list[dict[str, Any]]:
    """A file of the corpus."""
    with corpus(f"{name}.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def asked(raw: bytes) -> Event:
    """The event of a request."""
    return RequestReceived("GET", "/", "", "", raw, 0)


def interactions(events: Sequence[tuple[str, Event]], begin: int, span: int) -> Iterator[list[Interaction]]:
    """Events with their sources, evenly over a span of time, in batches."""
    batch: list[Interaction] = []
    for place, (source, event) in enumerate(events):
        moment = begin + span * place // len(events)
        address = pack(source)
        identity = (moment // MILLISECOND).to_bytes(6, "big") + b"\x70\0" + place.to_bytes(8, "big")
        shard = shard_of(address)
        connection = Connection(
            identity,
            moment,
            f"sensor-{shard % 4}",
            "http",
            address,
            40_000,
            pack("192.0.2.1"),
            80,
            shard,
            "dialogue",
        )
        batch.append(Interaction(moment, connection, 0, event))
        if len(batch) == ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


class Material:
    """What decoys see every day, and the requests of each CVE that may break out."""

    def __init__(self) -> None:
        exploits = [row for row in rows_of("http_exploits") if row["kind"] == "exploit" and row["cve"]]
        self.by_cve: dict[str, list[bytes]] = {}
        self.usual: list[tuple[str, Event]] = []
        for row in exploits:
            raw = message(row, bare=False)
            for cve in row["cve"]:
                self.by_cve.setdefault(cve, []).append(raw)
            self.usual.append((" ".join((*row["cve"], *row["shared_with"])), asked(raw)))
        for name in ("http_recon", "http_benign", "honeypot_http"):
            self.usual += [("", asked(message(row, bare=False))) for row in rows_of(name)]
        commands = [command for row in rows_of("ssh_sessions") for command in row["commands"]]
        self.usual += [("", CommandRun(command)) for command in commands[::4]]

    def background(self, cve: str, chance: random.Random, count: int) -> list[tuple[str, Event]]:
        """Events of a day without this CVE, each from an address drawn by chance."""
        drawn: list[tuple[str, Event]] = []
        while len(drawn) < count:
            named, event = chance.choice(self.usual)
            if cve not in named.split():
                drawn.append((f"10.0.{chance.randrange(ADDRESSES) >> 8}.{chance.randrange(256)}", event))
        return drawn


def campaign(given: Material, cve: str, chance: random.Random) -> tuple[int, int, float]:
    """Its place in the queue (0: not there), how long the queue is, and the seconds that the queue took."""
    novelty, sequence = Novelty(random.Random(chance.random())), 0
    attack = [
        (f"198.18.{number}.7", asked(varied(chance.choice(given.by_cve[cve]), chance)))
        for number in range(SOURCES)
    ]
    today = given.background(cve, chance, BACKGROUND // 4) + attack
    chance.shuffle(today)
    for day, events in enumerate((given.background(cve, chance, BACKGROUND), today)):
        for batch in interactions(events, BEGIN + day * DAY, DAY):
            sequence += 1
            novelty.take(sequence, to_batch(batch))
    begun = time.perf_counter()
    queue = novelty.queue(BEGIN + 2 * DAY)
    took = time.perf_counter() - begun
    texts = {event.payload for _, event in attack if isinstance(event, RequestReceived)}
    cut = {text[:2_048] for text in texts}
    places = [place for place, one in enumerate(queue.novel, 1) if cut.intersection(one.examples)]
    return min(places, default=0), len(queue.novel), took


def told_apart(given: Material, chance: random.Random) -> dict[str, float]:
    """Homogeneity and completeness of clusters of varied requests against what they came from."""
    novelty = Novelty(random.Random(1))
    pairs: Counter[tuple[str, str]] = Counter()
    chosen = chance.sample(sorted(given.by_cve), min(300, len(given.by_cve)))
    for cve in chosen:
        raw = chance.choice(given.by_cve[cve])
        for _ in range(8):
            text = varied(raw, chance)
            pairs[cve, novelty.cluster_of("request", text)] += 1
    total = pairs.total()
    classes: Counter[str] = Counter()
    clusters: Counter[str] = Counter()
    for (cve, cluster), count in pairs.items():
        classes[cve] += count
        clusters[cluster] += count

    def entropy(counts: Counter[str]) -> float:
        return -sum(count / total * math.log(count / total) for count in counts.values())

    def conditional(side: int, of: Counter[str]) -> float:
        return -sum(count / total * math.log(count / of[pair[side]]) for pair, count in pairs.items())

    return {
        "homogeneity": round(1 - conditional(1, clusters) / entropy(classes), 4),
        "completeness": round(1 - conditional(0, classes) / entropy(clusters), 4),
        "clusters": len(clusters),
        "classes": len(classes),
    }


def cost(given: Material, chance: random.Random) -> dict[str, float]:
    """Microseconds a row met before and a text that was not, and the bytes of a checkpoint."""
    novelty, fresh, words = (
        Novelty(random.Random(2)),
        list[float](),
        (b"admin", b"cgi-bin", b"luci", b"api", b"setup"),
    )
    for number in range(1, 41):
        paths = [b"/".join(chance.choices(words, k=8)) + b"/%d" % place for place in range(250)]
        sent = [asked(b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % path) for path in paths]
        (batch,) = interactions([(f"10.9.{number}.1", event) for event in sent], BEGIN, SECOND)
        table = to_batch(batch)
        begun = time.perf_counter()
        novelty.take(number, table)
        fresh.append((time.perf_counter() - begun) / len(sent))
    return {
        "microseconds_per_row": _again(given.background("", chance, 20) * 50),
        "microseconds_per_text": _again(given.background("", chance, ROWS)),
        "microseconds_per_fresh_text": round(1e6 * statistics.median(fresh), 1),
        "bytes": len(novelty.to_bytes()),
    }


def _again(events: Sequence[tuple[str, Event]]) -> float:
    """Microseconds a row of one batch that comes again and again."""
    novelty, took = Novelty(random.Random(3)), list[float]()
    (batch,) = interactions(events, BEGIN, SECOND)
    table = to_batch(batch)
    for sequence in range(1, 25):
        begun = time.perf_counter()
        novelty.take(sequence, table)
        took.append((time.perf_counter() - begun) / table.num_rows)
    return round(1e6 * statistics.median(took[8:]), 2)


def main() -> None:
    """Measure and report."""
    campaigns = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    chance, given = random.Random(20), Material()
    spoken = sorted(cve for cve, raws in given.by_cve.items() if len(raws) >= 1)
    ranks, lengths, seconds = [], [], []
    for cve in chance.sample(spoken, campaigns):
        rank, length, took = campaign(given, cve, chance)
        ranks.append(rank or length + 1)
        lengths.append(length)
        seconds.append(took)
        sys.stderr.write(f"\r{len(ranks)} of {campaigns} campaigns, {cve} at {rank} ")
    report(
        campaigns=campaigns,
        median_rank=statistics.median(ranks),
        in_first_10=round(sum(rank <= 10 for rank in ranks) / len(ranks), 3),
        queue_length=statistics.median(lengths),
        seconds_per_queue=round(statistics.median(seconds), 4),
        **told_apart(given, chance),
        **cost(given, chance),
    )


if __name__ == "__main__":
    main()
