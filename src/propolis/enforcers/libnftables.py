"""libnftables (``man 3 libnftables``) through ctypes: commands in nft's own language, each text one transaction.

Its JSON knows whole seconds only; the language knows milliseconds, so that is what we speak.
"""

import ctypes

from propolis.errors import EnforcerError

LIBRARY = "libnftables.so.1"


class RefusedError(EnforcerError):
    """The kernel or the library refused a text; nothing of it was done. The message is nft's own."""


class Nft:
    """One libnftables context. Its netlink socket belongs to the network namespace it is made in.

    Not for two threads at once. Raises :class:`~propolis.errors.EnforcerError` where the library is missing.
    """

    def __init__(self) -> None:
        try:
            library = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise EnforcerError(
                f'{LIBRARY} is not on this machine; install nftables, or set enforcers.run = ["dry-run"]'
            ) from error
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
        for name in (
            "nft_ctx_free",
            "nft_ctx_buffer_output",
            "nft_ctx_buffer_error",
            "nft_ctx_get_error_buffer",
        ):
            getattr(library, name).argtypes = [ctypes.c_void_p]
        context = library.nft_ctx_new(0)
        if not context:
            raise EnforcerError(f"{LIBRARY} could not be started")
        # without these two it writes to our standard output and error
        library.nft_ctx_buffer_output(context)
        library.nft_ctx_buffer_error(context)
        self._library = library
        self._context: int | None = context

    def run(self, commands: str) -> None:
        """Do all of it or none of it. Raises :class:`RefusedError`."""
        if self._context is None:
            raise RefusedError("nft: closed")
        if self._library.nft_run_cmd_from_buffer(self._context, commands.encode()) != 0:
            message: bytes = self._library.nft_ctx_get_error_buffer(self._context)
            raise RefusedError(f"nft: {message.decode(errors='replace').partition(chr(10))[0]}")

    def close(self) -> None:
        """Free the context; a second time does nothing."""
        if self._context is not None:
            self._library.nft_ctx_free(self._context)
            self._context = None
