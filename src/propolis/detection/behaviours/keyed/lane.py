"""All counters of one lane: the seam at which a stage joins them to its messages, whatever class they are of.

A batch of interactions costs the families that it has nothing for one look at its kinds. Findings, the engine's and
those of other counters, are facts themselves: they are counted last. What sources have in common is counted on the
lane of the key; :func:`~propolis.detection.behaviours.keyed.rekey.of_interactions` makes the rows that go there.
"""

import random

import msgspec
import pyarrow as pa

from propolis.detection.behaviours.keyed.catalogue import FAMILIES, FLOW, GRADE, KEY, LOGIN, NAME, Family
from propolis.detection.behaviours.keyed.engine import CounterEngine
from propolis.detection.behaviours.keyed.rule import CountRule
from propolis.detection.behaviours.keyed.state import State
from propolis.errors import CodecError
from propolis.findings import Finding

MAGIC = b"PPCL"
_SPOKEN: tuple[tuple[str, Family], ...] = (("CredentialTried", LOGIN), ("RequestReceived", NAME))
_STORED = msgspec.msgpack.Decoder(dict[str, bytes])


class LaneState:
    """The state of each family, by its name. Stepped in place."""

    __slots__ = ("states",)

    def __init__(self, states: dict[str, State]) -> None:
        self.states = states

    def to_bytes(self) -> bytes:
        """The states as bytes. O(keys)."""
        return MAGIC + msgspec.msgpack.encode({name: state.to_bytes() for name, state in self.states.items()})


class LaneCounters:
    """The engines of all families. ``max_keys`` bounds each; ``entropy`` keys their hashes.

    ``now`` and ``sequence`` are those of :meth:`CounterEngine.step`, as is what is returned: the findings that are new.
    """

    def __init__(
        self, rules: tuple[CountRule, ...], *, max_keys: int, entropy: random.Random | None = None
    ) -> None:
        self._engines = {
            family.name: CounterEngine(family, rules, max_keys=max_keys, entropy=entropy)
            for family in FAMILIES
        }

    def fresh(self) -> LaneState:
        """The state before the first batch."""
        return LaneState({name: engine.fresh() for name, engine in self._engines.items()})

    def load(self, data: bytes) -> LaneState:
        """What :meth:`LaneState.to_bytes` wrote; a family that is not in it begins anew.

        Raises :class:`~propolis.errors.CodecError` for anything else.
        """
        if not data.startswith(MAGIC):
            raise CodecError("states of counters", f"{len(data)} bytes", "do not begin as states do")
        try:
            stored = _STORED.decode(memoryview(data)[len(MAGIC) :])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise CodecError("states of counters", f"{len(data)} bytes", str(error)) from error
        return LaneState(
            {
                name: engine.load(stored[name]) if name in stored else engine.fresh()
                for name, engine in self._engines.items()
            }
        )

    def interactions(
        self, batch: pa.RecordBatch, found: tuple[Finding, ...], state: LaneState, now: int, sequence: int
    ) -> tuple[Finding, ...]:
        """Of a batch of :data:`propolis.events.interaction.SCHEMA`, in which the rules have ``found`` that."""
        new: tuple[Finding, ...] = ()
        kinds = batch.column("kind").unique().to_pylist()
        for kind, family in _SPOKEN:
            if kind in kinds:
                new += self._step(family, batch, state, now, sequence)
        return new + self._step(GRADE, found + new, state, now, sequence)

    def flows(self, batch: pa.RecordBatch, state: LaneState, now: int, sequence: int) -> tuple[Finding, ...]:
        """Of a batch of :data:`propolis.events.flow.SCHEMA`."""
        new = self._step(FLOW, batch, state, now, sequence)
        return new + self._step(GRADE, new, state, now, sequence)

    def keys(self, batch: pa.RecordBatch, state: LaneState, now: int, sequence: int) -> tuple[Finding, ...]:
        """Of a batch of :data:`propolis.events.key.SCHEMA`, whose sources are of any lane."""
        return self._step(KEY, batch, state, now, sequence)

    def _step(
        self,
        family: Family,
        batch: pa.RecordBatch | tuple[Finding, ...],
        state: LaneState,
        now: int,
        sequence: int,
    ) -> tuple[Finding, ...]:
        if not len(batch):
            return ()
        found, _ = self._engines[family.name].step(batch, state.states[family.name], now, sequence)
        return found
