"""What a process does not need it does not load; what it no longer needs goes back to the system."""

import ctypes
import importlib
import sys


def give_back() -> None:
    """Return free memory to the system, where the C library can (``malloc_trim``, glibc); some ms for 100 MB.

    For after something large that comes seldom: glibc keeps what a peak needed, and a stage lives for months.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def load_without(absent: str, wanted: str) -> None:
    """Import ``wanted`` as if ``absent`` were not installed; whoever needs that still gets it afterwards.

    For a library that loads another one in case somebody uses it, and can do without.
    """
    if absent in sys.modules:
        return
    sys.modules[absent] = None  # type: ignore[assignment]  # None there makes an import fail, as it does for one missing
    try:
        importlib.import_module(wanted)
    finally:
        del sys.modules[absent]
