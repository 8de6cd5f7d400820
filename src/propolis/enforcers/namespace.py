"""Opening sockets inside a network namespace that ``ip netns`` made (``man 8 ip-netns``)."""

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from propolis.errors import EnforcerError

FOLDER = Path("/run/netns")
_CLONE_NEWNET = 0x4000_0000  # linux/sched.h

_Opened = TypeVar("_Opened")


def inside(namespace: str, make: Callable[[], _Opened]) -> _Opened:
    """What ``make`` returns when called in the namespace of this name; an empty name is where we are.

    A socket stays in the namespace it was opened in, so only opening has to happen there. ``setns`` (2) moves one
    thread: it is a thread made for this, and gone afterwards. Raises :class:`~propolis.errors.EnforcerError`.
    """
    if not namespace:
        return make()
    with ThreadPoolExecutor(max_workers=1) as mover:
        return mover.submit(_enter_and, namespace, make).result()


def _enter_and(namespace: str, make: Callable[[], _Opened]) -> _Opened:
    try:
        _enter(namespace)
    except (OSError, ValueError) as error:
        raise EnforcerError(
            f"network namespace {namespace!r}: {error}; make it with `ip netns add {namespace}` and run as "
            'root, empty enforcers.nftables.namespace, or set enforcers.run = ["dry-run"]'
        ) from error
    return make()


def _enter(namespace: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    with (FOLDER / namespace).open("rb") as door:
        if libc.setns(door.fileno(), _CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
