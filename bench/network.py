"""Network namespaces on one switch, for benchmarks that need several hosts. Root only; all is removed at the end."""

import contextlib
import os
import subprocess
from collections.abc import Iterator

NETWORK = "198.19"


def run(*command: str, check: bool = True) -> str:
    """A command's output."""
    return subprocess.run(command, check=check, capture_output=True, text=True).stdout


@contextlib.contextmanager
def hosts(*names: str) -> Iterator[dict[str, str]]:
    """Namespaces of these names (made unique) on one bridge: name to namespace; the n-th has address 198.19.0.n."""
    made = {name: f"pb{os.getpid()}-{name}" for name in names}
    switch = f"pb{os.getpid()}-switch"
    try:
        run("ip", "netns", "add", switch)
        run("ip", "-n", switch, "link", "add", "bridge", "type", "bridge")
        run("ip", "-n", switch, "link", "set", "bridge", "up")
        for number, (name, namespace) in enumerate(made.items(), 1):
            run("ip", "netns", "add", namespace)
            run(
                "ip",
                "link",
                "add",
                "eth0",
                "netns",
                namespace,
                "type",
                "veth",
                "peer",
                "name",
                f"p{number}",
                "netns",
                switch,
            )
            run("ip", "-n", switch, "link", "set", f"p{number}", "master", "bridge", "up")
            run("ip", "-n", namespace, "link", "set", "lo", "up")
            run("ip", "-n", namespace, "link", "set", "eth0", "up")
            run("ip", "-n", namespace, "addr", "add", f"{NETWORK}.0.{number}/16", "dev", "eth0", "nodad")
            del name
        yield made
    finally:
        for namespace in (*made.values(), switch):
            run("ip", "netns", "delete", namespace, check=False)


def add_addresses(namespace: str, addresses: list[str]) -> None:
    """Further addresses of a host."""
    lines = "".join(f"addr add {address}/16 dev eth0\n" for address in addresses)
    subprocess.run(
        ["ip", "-n", namespace, "-batch", "-"], input=lines, check=True, text=True, capture_output=True
    )


def inside(namespace: str) -> tuple[str, ...]:
    """What to put before a command to run it in a namespace."""
    return ("ip", "netns", "exec", namespace)
