"""The streams and buckets everything else expects; made if they are missing, told if they differ."""

import asyncio
import os
from typing import Any

from propolis.config import Stream as Settings
from propolis.errors import StreamError
from propolis.stream.client import NOT_FOUND, RETRY_SECONDS, WRONG_LAST_SEQUENCE, Refused, Stream, Unreachable
from propolis.stream.subjects import (
    CANARY,
    CLOCK,
    DECISIONS,
    EVENTS,
    FINDINGS,
    LEDGER,
    LURES,
    NOVEL,
    POLICY,
    SENSORS,
    STATES,
)

LANES = "propolis-lanes"
DUPLICATES_SECONDS = 300
CANARY_KEY_BYTES = 32
LURE_HISTORY = 16
"""Versions of each pushed lure that are kept, to go back to."""
_CURES = {
    10_047: "stream.max_bytes: more than the disk of the stream has room for; lower it or free some",
    10_028: "stream.max_bytes: more than the account may keep; lower it",
    10_074: "stream.replicas: more copies than the cluster has servers",
    10_052: "stream: the servers do not take this configuration; it needs 2.11 or newer",
    10_058: "stream: another installation made it differently",
    10_065: "stream: another stream takes these subjects",
}
"""What an operator has to put right, by JetStream's error code."""


def streams(settings: Settings) -> tuple[dict[str, Any], ...]:
    """Configuration of every stream, as the JetStream API takes it."""
    common = {
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "num_replicas": settings.replicas,
        "allow_direct": True,
        "duplicate_window": int(min(DUPLICATES_SECONDS, settings.max_age_seconds) * 1e9),
        "metadata": {LANES: str(settings.lanes)},
    }
    age = int(settings.max_age_seconds * 1e9)
    return (
        {**common, "name": EVENTS, "subjects": ["events.>"], "max_bytes": settings.max_bytes, "max_age": age},
        {
            **common,
            "name": FINDINGS,
            "subjects": ["findings.>"],
            "max_bytes": settings.max_bytes // 4,
            "max_age": age,
        },
        {**common, "name": LEDGER, "subjects": ["ledger.>"], "max_bytes": settings.max_bytes // 4},
        {
            **common,
            "name": CLOCK,
            "subjects": ["clock.>"],
            "max_bytes": settings.max_bytes // 8,
            "max_age": age,
        },
    )


def buckets(settings: Settings) -> tuple[dict[str, Any], ...]:
    """Configuration of every key-value bucket (a stream named ``KV_<bucket>``, ADR-8).

    Of each key only the last value is kept: of two, the one with the longer time to live would come back to light when
    the newer one has had its time. What was before is in the ledger. Lures have no time to live, and no ledger.
    """

    def bucket(name: str, history: int = 1) -> dict[str, Any]:
        return {
            "name": f"KV_{name}",
            "subjects": [f"$KV.{name}.>"],
            "max_msgs_per_subject": history,
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "num_replicas": settings.replicas,
            "allow_direct": True,
            "allow_rollup_hdrs": True,
            "deny_delete": True,
            "allow_msg_ttl": True,
            "subject_delete_marker_ttl": 1_000_000_000,  # the server raises a shorter per-key TTL to this
            "duplicate_window": 120 * 1_000_000_000,
        }

    return (*map(bucket, (DECISIONS, SENSORS, STATES, POLICY, NOVEL)), bucket(LURES, LURE_HISTORY))


async def provision(stream: Stream, settings: Settings) -> None:
    """Make what is missing and widen what has grown; waits, and says so, while the stream cannot do it.

    That includes the key of the installation's canaries, which sensors elsewhere may read and not write. Raises
    :class:`StreamError` when the lanes differ, or there is no room.
    """
    for config in (*streams(settings), *buckets(settings)):
        while True:
            try:
                await _provide(stream, config, settings)
                if config["name"] == f"KV_{LURES}":
                    await _provide_canary_key(stream)
            except (Unreachable, Refused) as error:
                if isinstance(error, Refused) and error.code in _CURES:
                    raise StreamError(f"{_CURES[error.code]} ({config['name']}: {error})") from error
                stream.trouble(str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                stream.well()
                break


async def _provide_canary_key(stream: Stream) -> None:
    try:
        await stream.put(LURES, CANARY, os.urandom(CANARY_KEY_BYTES), last=0)
    except Refused as refused:
        if refused.code not in WRONG_LAST_SEQUENCE:  # else there is one
            raise


async def _provide(stream: Stream, config: dict[str, Any], settings: Settings) -> None:
    try:
        info = await stream.api(f"STREAM.INFO.{config['name']}")
    except Refused as refused:
        if refused.code not in NOT_FOUND:
            raise
        await stream.api(f"STREAM.CREATE.{config['name']}", config)
        return
    lanes = info["config"].get("metadata", {}).get(LANES)
    if lanes is not None and lanes != str(settings.lanes):
        raise StreamError(
            f"stream.lanes: is {settings.lanes}, but the stream {config['name']} was made with {lanes}; "
            f"set it back to {lanes}, or start with an empty host.state"
        )
    if any(
        info["config"].get(name) != config.get(name)
        for name in ("max_bytes", "max_age", "num_replicas", "max_msgs_per_subject")
    ):
        await stream.api(f"STREAM.UPDATE.{config['name']}", {**info["config"], **config})
