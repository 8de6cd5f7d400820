"""The transport that asyncssh writes to: no socket, only effects."""

from __future__ import annotations

import asyncio
from typing import Any

from propolis.events import Event
from propolis.lures.lure import Effect, Emit, Hangup, Reply


class Wire(asyncio.Transport):
    """Collects, in order, what a dialogue does until somebody takes it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = True
        self._effects: list[Effect] = []
        self._pause_seconds = 0.0

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Reply. What follows a reply at once joins it, as one segment of a real server would carry both."""
        last = self._effects[-1] if self._effects else None
        if isinstance(last, Reply) and not self._pause_seconds:
            self._effects[-1] = Reply(last.data + bytes(data), last.after_seconds)
        else:
            self._effects.append(Reply(bytes(data), self._pause_seconds))
        self._pause_seconds = 0.0

    def emit(self, event: Event) -> None:
        """Report a fact."""
        self._effects.append(Emit(event))

    def pause(self, seconds: float) -> None:
        """The next reply takes this long."""
        self._pause_seconds = seconds

    def close(self) -> None:
        """Hang up, once."""
        if self.is_open:
            self.is_open = False
            self._effects.append(Hangup())

    def abort(self) -> None:
        """The same: there is no buffer that could be thrown away."""
        self.close()

    def is_closing(self) -> bool:
        """Whether the dialogue is over."""
        return not self.is_open

    def take(self) -> list[Effect]:
        """What was collected since the last call."""
        effects, self._effects = self._effects, []
        return effects
