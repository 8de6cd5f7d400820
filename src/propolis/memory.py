"""What a process no longer needs goes back to the system."""

import ctypes


def give_back() -> None:
    """Return free memory to the system, where the C library can (``malloc_trim``, glibc); some ms for 100 MB.

    For after something large that comes seldom: glibc keeps what a peak needed, and a stage lives for months.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
