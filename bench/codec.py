"""What the stream's codec costs: rows to a batch, a batch to a message, and back.

Method: a batch of the five kinds of event that a busy decoy sends most, in the order of real conversations, is encoded
and decoded for a fixed number of rounds; each figure is the best of seven rounds in CPU time of this process, so that
another process on the machine does not count. ``plain`` is the readable reference beside the fast path.
"""

import argparse
import json
import random
import time
from collections.abc import Callable

from propolis.events import (
    CommandRun,
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    CredentialTried,
    Event,
    Interaction,
    RequestReceived,
    pack,
    shard_of,
)
from propolis.events.interaction import decode, encode, reference_batch, to_batch

ROUNDS = 7
NOW = 1_700_000_000_000_000_000


def conversations(rows: int) -> list[Interaction]:
    """That many events, five a connection."""
    chance = random.Random(1)
    request = (
        b"GET /cgi-bin/luci HTTP/1.1\r\nHost: 198.18.0.1\r\nUser-Agent: zgrab/0.x\r\nAccept: */*\r\n\r\n"
    )
    made: list[Interaction] = []
    while len(made) < rows:
        source = pack(f"198.18.{chance.randrange(256)}.{chance.randrange(256)}")
        connection = Connection(
            id=chance.randbytes(16),
            opened=NOW,
            sensor="edge-1",
            lure=chance.choice(("ssh", "http", "telnet")),
            source_ip=source,
            source_port=chance.randrange(1_024, 65_536),
            target_ip=pack("10.0.0.1"),
            target_port=22,
            shard=shard_of(source),
            evidence_class="dialogue",
        )
        events: tuple[Event, ...] = (
            ConnectionOpened(),
            CredentialTried("root", f"password{chance.randrange(1_000)}"),
            CommandRun("uname -s -v -n -r -m", b"uname -s -v -n -r -m\n"),
            RequestReceived("GET", "/cgi-bin/luci", "198.18.0.1", "zgrab/0.x", request, len(request)),
            ConnectionClosed(212, 4_096, 3_000_000_000, "peer"),
        )
        made += [Interaction(NOW + i, connection, i, event) for i, event in enumerate(events)]
    return made[:rows]


def cost(work: Callable[[], object], times: int) -> float:
    """Microseconds of CPU a call, the best of :data:`ROUNDS`."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time_ns()
        for _ in range(times):
            work()
        best = min(best, (time.process_time_ns() - begun) / times / 1_000)
    return best


def measure(rows: int) -> dict[str, float]:
    """The figures of one batch size."""
    events = conversations(rows)
    batch = to_batch(events)
    message = encode(batch)
    times = max(20, 10_000 // rows)
    return {
        "rows": rows,
        "message_bytes": len(message),
        "to_batch_us_a_row": round(cost(lambda: to_batch(events), times) / rows, 3),
        "plain_us_a_row": round(cost(lambda: reference_batch(events), times) / rows, 3),
        "encode_us": round(cost(lambda: encode(batch), times), 1),
        "decode_us": round(cost(lambda: decode(message), times), 1),
    }


def main() -> None:
    """Measure at several batch sizes and print one JSON object as the last line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, nargs="+", default=[1, 20, 300, 1_000])
    figures = [measure(rows) for rows in arguments.parse_args().rows]
    print(json.dumps({"bench": "codec", "clock": "process CPU", "batches": figures}))


if __name__ == "__main__":
    main()
