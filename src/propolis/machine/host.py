"""The machine behind a decoy: the same every time for one sensor, and no two sensors alike."""

import hashlib
from functools import lru_cache

import msgspec

from propolis.clock import SECOND

KERNELS = (
    ("6.1.0-13-amd64", "6.1.55-1 (2023-09-29)"),
    ("6.1.0-17-amd64", "6.1.69-1 (2023-12-30)"),
    ("6.1.0-18-amd64", "6.1.76-1 (2024-02-01)"),
    ("6.1.0-21-amd64", "6.1.90-1 (2024-05-03)"),
    ("6.1.0-23-amd64", "6.1.99-1 (2024-07-15)"),
    ("6.1.0-26-amd64", "6.1.112-1 (2024-09-30)"),
    ("6.1.0-28-amd64", "6.1.119-1 (2024-11-22)"),
    ("6.1.0-35-amd64", "6.1.137-1 (2025-05-07)"),
)
"""Releases of Debian 12's kernel, and what ``uname -v`` ends in."""

CPUS = (
    "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz",
    "Intel(R) Xeon(R) Gold 6140 CPU @ 2.30GHz",
    "Intel(R) Xeon(R) Silver 4210 CPU @ 2.20GHz",
    "AMD EPYC 7282 16-Core Processor",
    "AMD EPYC 7543 32-Core Processor",
    "Intel(R) Core(TM) i5-8500 CPU @ 3.00GHz",
)

MAKERS = (
    "52:54:00",
    "00:50:56",
    "00:0c:29",
    "00:16:3e",
    "08:00:27",
    "fa:16:3e",
    "ac:1f:6b",
    "3c:ec:ef",
    "b4:96:91",
)
"""Organisations of network cards: QEMU, VMware, Xen, VirtualBox, OpenStack, Supermicro, Intel (IEEE MA-L)."""

_ROLES = ("web", "srv", "db", "app", "vps", "mail", "node", "backup", "gw", "build")


class Host(msgspec.Struct, frozen=True):
    """What commands tell of the machine.

    ``memory_kib`` is the total; ``mac`` the address of its first network card; ``machine_id`` 32 hexadecimal digits, as
    in ``/etc/machine-id``; ``uptimes`` how many seconds it runs from one start to the next, and when within them it is.
    """

    name: str
    kernel: str
    build: str
    cpu: str
    cores: int
    memory_kib: int
    mac: str
    machine_id: str
    uptimes: tuple[int, int]

    def up_seconds(self, now: int) -> int:
        """How long it has been running at that time (UTC nanoseconds)."""
        period, offset = self.uptimes
        return (now // SECOND + offset) % period + 60

    @property
    def uname(self) -> str:
        """``uname -a``."""
        return f"Linux {self.name} {self.kernel} {self.build} x86_64 GNU/Linux"


@lru_cache(maxsize=256)
def host_of(seed: bytes) -> Host:
    """The machine of a seed."""
    dice = hashlib.blake2b(seed, digest_size=16, person=b"propolis host").digest()
    kernel, version = KERNELS[dice[0] % len(KERNELS)]
    cores = (1, 2, 2, 4, 4, 8)[dice[1] % 6]
    # firmware and the kernel itself keep some of it: the total is never a round number
    memory = cores * 2 * 1_048_576 - 40_000 - int.from_bytes(dice[2:4], "big") % 60_000
    role, number = _ROLES[dice[4] % len(_ROLES)], dice[5] % 24 + 1
    name = (f"{role}{number:02d}", f"{role}-{number}", f"{role}{number}", f"vps-{dice[6:10].hex()}")[
        dice[10] % 4
    ]
    build = f"#1 SMP PREEMPT_DYNAMIC Debian {version}"
    more = hashlib.blake2b(seed, digest_size=32, person=b"propolis network").digest()
    mac = ":".join((MAKERS[more[0] % len(MAKERS)], *(f"{byte:02x}" for byte in more[1:4])))
    # it is restarted for a new kernel every one to four months
    period = (30 + more[4] % 90) * 86_400 + int.from_bytes(more[5:8], "big") % 86_400
    return Host(
        name,
        kernel,
        build,
        CPUS[dice[11] % len(CPUS)],
        cores,
        memory,
        mac,
        more[8:24].hex(),
        (period, int.from_bytes(more[24:28], "big")),
    )
