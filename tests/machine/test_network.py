"""Nothing is reached, and it says so as the real programs do."""

import pytest

from propolis.machine.disk import load
from propolis.machine.host import host_of
from propolis.machine.machine import Machine
from propolis.machine.network import NETWORK_COMMANDS

HOST = host_of(b"s")
HERE = Machine(load(), HOST, "root", now=1_700_000_000_000_000_000)


@pytest.mark.parametrize(
    ("name", "words", "said", "status"),
    [
        ("wget", ["http://192.0.2.1/x"], "Connecting to 192.0.2.1:80... failed: Connection refused.", 4),
        (
            "wget",
            ["-O", "/tmp/x", "https://a.example/x"],
            "unable to resolve host address \u2018a.example\u2019",
            4,
        ),
        ("wget", [], "wget: missing URL", 1),
        ("curl", ["http://a.example/"], "curl: (6) Could not resolve host: a.example", 6),
        ("curl", ["-o", "x", "192.0.2.1:81/x"], "curl: (7) Failed to connect to 192.0.2.1 port 81", 7),
        ("curl", ["-s", "http://a.example/"], "", 6),
        ("curl", ["file:///nope"], "curl: (37) Couldn't open file /nope", 37),
        ("ping", ["-c", "2", "192.0.2.1"], "2 packets transmitted, 0 received, 100% packet loss", 1),
        ("ping", ["-c", "2", "127.0.0.1"], "2 packets transmitted, 2 received, 0% packet loss", 0),
        ("ping", ["a.example"], "ping: a.example: Temporary failure in name resolution", 2),
        ("ifconfig", [], f"ether {HOST.mac}", 0),
        ("ip", ["a"], f"link/ether {HOST.mac}", 0),
        ("ip", ["route"], "default via", 0),
        ("nc", ["192.0.2.1", "9"], "", 1),
    ],
)
def test_it_fails_as_without_a_way_out(name: str, words: list[str], said: str, status: int) -> None:
    outcome = NETWORK_COMMANDS[name](HERE, words, "")
    assert said in outcome.out + outcome.err
    assert outcome.status == status


def test_curl_reads_files_of_the_machine() -> None:
    assert NETWORK_COMMANDS["curl"](HERE, ["file:///etc/timezone"], "").out == "Etc/UTC\n"
