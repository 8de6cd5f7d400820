"""What a recorded telnet host says, on the machine that the sensor pretends to be."""

import re
import time
from functools import lru_cache

import msgspec

from propolis.clock import SECOND
from propolis.lures import persona
from propolis.machine import host as machines

_MEMORY = re.compile(r"\b\d{6,}\b(?= kB|  )")


class Persona(msgspec.Struct, frozen=True):
    """Recordings of telnetd, login and the shell behind it. Marks: ``{host}``, ``{kernel}``, ``{build}``, ``{peer}``.

    ``greeting`` holds what telnetd sends at first, after the client's answers, and before the banner (Latin-1);
    ``elf`` is the beginning of ``/bin/busybox``, base64.
    """

    product: str
    greeting: tuple[str, str, str]
    banner: str
    login: str
    password: str
    incorrect: str
    exceeded: str
    tries: int
    fail_seconds: float
    welcome: str
    memory_kib: int
    elf: str
    applets: tuple[str, ...]
    folders: tuple[str, ...]
    files: dict[str, str]
    answers: dict[str, str]


class Host:
    """One sensor's host: the persona with the name, the kernel, the size and the age of its machine."""

    def __init__(self, name: str, machine: machines.Host) -> None:
        self.persona = persona.load("telnet", name, Persona)
        self.machine = machine
        recorded = self.persona
        self.greeting = tuple(part.encode("latin-1") for part in recorded.greeting)
        self.login = self._wire(recorded.login)
        self.password = self._wire(recorded.password)
        self.incorrect_login = self._wire(recorded.incorrect + recorded.login)
        self.exceeded = self._wire(recorded.incorrect + recorded.exceeded)
        self.welcome = self._wire(recorded.welcome)
        self._banner = self._wire(recorded.banner)

    def fill(self, text: str) -> str:
        """A recorded text with this host's name, kernel and memory (every number of six digits or more)."""
        own, recorded = self.machine.memory_kib, self.persona.memory_kib
        text = text.replace("{host}", self.machine.name).replace("{kernel}", self.machine.kernel)
        text = _MEMORY.sub(lambda match: str(int(match[0]) * own // recorded).rjust(len(match[0])), text)
        return text.replace("{build}", self.machine.build)

    def _wire(self, text: str) -> bytes:
        return self.fill(text).replace("\r\n", "\n").replace("\n", "\r\n").encode()

    def banner(self, address: str) -> bytes:
        """What telnetd says before login's prompt, to those who came to this address of the host."""
        return self._banner.replace(b"{peer}", address.encode())

    def uptime_line(self, now: int) -> str:
        """What ``uptime`` prints at ``now``."""
        days, minutes = divmod(self.machine.up_seconds(now) // 60, 24 * 60)
        clock = time.strftime("%H:%M:%S", time.gmtime(now // SECOND))
        load = now // SECOND // 7 % 40
        averages = f"0.{load:02d}, 0.{load // 2 + 3:02d}, 0.{load // 3 + 5:02d}"
        up = (
            f"{days} days, {minutes // 60:2d}:{minutes % 60:02d}"
            if days
            else f"{minutes // 60:2d}:{minutes % 60:02d}"
        )
        return f" {clock} up {up},  0 users,  load average: {averages}\n"


@lru_cache(maxsize=64)
def host(name: str, machine: machines.Host) -> Host:
    """The host of this persona on this machine."""
    return Host(name, machine)
