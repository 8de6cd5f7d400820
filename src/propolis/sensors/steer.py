"""One source, one worker: what a source was told and did is remembered by the worker that its connections reach.

Workers share each port (``SO_REUSEPORT``), and the kernel would choose one by a hash of addresses and ports. A classic
BPF program (socket(7), ``SO_ATTACH_REUSEPORT_CBPF``) lets it choose by the source's address alone.
"""

import ctypes
import errno
import socket
import struct

ATTACH_REUSEPORT_CBPF = 51
"""``asm-generic/socket.h``; the socket module does not name it."""

# linux/bpf_common.h and linux/filter.h
_LOAD_WORD = 0x20
_XOR_X = 0xAC
_MODULO = 0x94
_TO_X = 0x07
_RETURN_A = 0x16
_NETWORK_HEADER = 0xFFF0_0000
"""``SKF_NET_OFF``: offsets from here on count from the IP header."""
_SOURCE_V4 = 12  # RFC 791, 3.1
_SOURCE_V6 = 8  # RFC 8200, 3
_INSTRUCTION = struct.Struct("HBBI")


def steer(listener: socket.socket, workers: int) -> bool:
    """Give every connection of one source to the same of ``workers`` listeners; false if this kernel cannot.

    The listener has to listen already: a program of its own keeps a socket from joining the others. While there are
    fewer listeners the kernel chooses for the missing ones as it would have.
    """
    program = _program(listener.family, workers)
    code = ctypes.create_string_buffer(b"".join(_INSTRUCTION.pack(*instruction) for instruction in program))
    described = struct.pack("HP", len(program), ctypes.addressof(code))
    try:
        listener.setsockopt(socket.SOL_SOCKET, ATTACH_REUSEPORT_CBPF, described)
    except OSError as error:
        if error.errno not in {errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.EPERM, errno.EINVAL}:
            raise
        return False
    return True


def _program(family: int, workers: int) -> list[tuple[int, int, int, int]]:
    """The source address, folded to 32 bits, modulo ``workers``: code, jump if true, jump if false, operand."""
    start, words = (_SOURCE_V6, 4) if family == socket.AF_INET6 else (_SOURCE_V4, 1)
    offsets = [_NETWORK_HEADER + start + 4 * word for word in range(words)]
    folded = [(_LOAD_WORD, 0, 0, offsets[0])]
    for offset in offsets[1:]:
        folded += [(_TO_X, 0, 0, 0), (_LOAD_WORD, 0, 0, offset), (_XOR_X, 0, 0, 0)]
    return [*folded, (_MODULO, 0, 0, workers), (_RETURN_A, 0, 0, 0)]
