"""A lane's work whose every finding says how much was counted before it: a gap or a repeat changes the rest."""

import asyncio
import hashlib
import json
import sys
from pathlib import Path

from propolis import notes
from propolis.clock import SystemClock
from propolis.stream import LaneOwner, Stored, connect

State = dict[str, int]


class Counting:
    """Counts messages and folds their bytes into a running hash; every third message is a finding."""

    def fresh(self) -> State:
        return {"count": 0, "hash": 0}

    def load(self, data: bytes) -> State:
        state: State = json.loads(data)
        return state

    def dump(self, state: State) -> bytes:
        return json.dumps(state).encode()

    def step(self, message: Stored, state: State) -> tuple[bytes, State]:
        mixed = hashlib.blake2b(message.data + str(state["hash"]).encode(), digest_size=6).digest()
        after = {"count": state["count"] + 1, "hash": int.from_bytes(mixed, "big")}
        found = json.dumps({"sequence": message.sequence, **after}).encode()
        return (found if after["count"] % 3 == 0 else b""), after


async def main(url: str, credential: str, lanes: str) -> None:
    """Own what the server gives; say ``<lane> owned`` when it does."""
    notes.open_log(json=True)
    stream = await connect(url, "worker", credential=Path(credential))
    owners = [
        LaneOwner(stream, lane, Counting(), SystemClock(), checkpoint_seconds=0.05)
        for lane in range(int(lanes))
    ]
    async with asyncio.TaskGroup() as tasks:
        for owner in owners:
            tasks.create_task(owner.run())
        owned: set[int] = set()
        while True:
            now = {lane for lane, owner in enumerate(owners) if owner.owns}
            for lane in now - owned:
                sys.stdout.write(f"{lane} owned\n")
                sys.stdout.flush()
            owned = now
            await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
