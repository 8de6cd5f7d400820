"""How long an injected command, query or script would have waited: what time-based probes measure."""

import re
from urllib.parse import unquote_to_bytes

MAX_SECONDS = 30.0
MAX_SCANNED_BYTES = 16_384
BENCHMARK_ROUNDS_A_SECOND = 5_000_000
"""What ``BENCHMARK(n, MD5(1))`` takes of a small server."""

_WAITS = re.compile(
    rb"""(?ix)
      (?:pg_sleep|sleep|usleep|dbms_(?:lock|session)\.sleep|dbms_pipe\.receive_message\s*\([^\n]{0,160}?,)
        (?:\s|\+|\$\{?ifs\}?)*\(?\s*['"]?\s*(?P<sleep>\d{1,9}(?:\.\d{1,6})?)(?P<unit>[smh]?)
    | waitfor(?:\s|\+)+delay(?:\s|\+)*['"]?(?P<hours>\d{1,2}):(?P<minutes>\d{1,2}):(?P<seconds>\d{1,2})
    | ping(?:\s|\+|\$\{?ifs\}?)(?:[^;|&\n]{0,60}?(?:\s|\+|\}))??-[nc](?:\s|\+|\$\{?ifs\}?)*(?P<pings>\d{1,3})
    | timeout(?:\s|\+)+/t(?:\s|\+)*(?P<timeout>\d{1,3})
    | benchmark\s*\(\s*(?P<rounds>\d{1,10})
    | thread\.sleep\s*\(\s*(?P<milliseconds>\d{1,6})
    """
)


def sleep(text: bytes) -> float:
    """Seconds, at most :data:`MAX_SECONDS`, that the text asks for: the longest of what it says, 0 if nothing.

    ``sleep 5``, ``SLEEP(5)``, ``pg_sleep(5)``, ``WAITFOR DELAY '0:0:5'``, ``ping -n 5``, ``BENCHMARK(...)``,
    ``Thread.sleep(5000)``; also percent-encoded. O(bytes).
    """
    data = text[:MAX_SCANNED_BYTES]
    views = (data, unquote_to_bytes(data)) if b"%" in data else (data,)
    waits = [_seconds(found) for view in views for found in _WAITS.finditer(view)]
    return min(max(waits, default=0.0), MAX_SECONDS)


def _seconds(found: re.Match[bytes]) -> float:
    if found["sleep"]:
        if found[0][:6].lower() == b"usleep":
            return float(found["sleep"]) / 1e6
        scale = {b"m": 60, b"h": 3_600}.get(found["unit"].lower(), 1)
        return float(found["sleep"]) * scale
    if found["hours"]:
        return int(found["hours"]) * 3_600 + int(found["minutes"]) * 60 + float(found["seconds"])
    if found["pings"]:
        return max(0.0, float(found["pings"]) - 1)
    if found["timeout"]:
        return float(found["timeout"])
    if found["milliseconds"]:
        return float(found["milliseconds"]) / 1_000
    return float(found["rounds"]) / BENCHMARK_ROUNDS_A_SECOND
