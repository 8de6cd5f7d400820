"""The recorded file is what it claims to be."""

import re
from hashlib import md5

import pytest

from propolis.lures.ssh.persona import load


def test_the_server_has_openssh_9_2s_fingerprint() -> None:
    algorithms = load("debian12").algorithms
    lists = (algorithms.key_exchange, algorithms.cipher, algorithms.mac, algorithms.compression)
    hassh = md5(";".join(map(",".join, lists)).encode(), usedforsecurity=False).hexdigest()
    assert hassh == "425d29fe50d8e4f5e37efb6e24bcf660"


def test_texts_have_places_for_what_the_client_caused() -> None:
    texts = load("debian12").texts
    assert texts.changed_user.count("{}") == 4
    assert texts.strict_violation.count("{}") == 2
    assert all(getattr(texts, name) for name in texts.__struct_fields__)


def test_groups_of_every_size_are_there() -> None:
    sizes = {int(prime, 16).bit_length() for prime in load("debian12").groups}
    assert sizes == {2048, 3072, 4096, 6144, 7680, 8192}


@pytest.mark.parametrize("name", ["", "windows", "../debian12", "a\0b"])
def test_a_persona_of_another_protocol_falls_back(name: str) -> None:
    assert load(name) == load("debian12")


def test_nothing_of_the_recording_machine_is_left() -> None:
    everything = str(load("debian12"))
    assert not re.search(r"/work\b|/home/\w|docker|firecracker", everything)
