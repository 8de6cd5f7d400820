import shutil

import pytest

from propolis.lures import persona
from propolis.lures.telnet.persona import Persona
from propolis.lures.telnet.record import BUSYBOX, TELNETD, record

STEADY = (
    "greeting",
    "banner",
    "login",
    "password",
    "incorrect",
    "exceeded",
    "tries",
    "elf",
    "applets",
    "folders",
    "product",
)


@pytest.mark.root
@pytest.mark.skipif(
    not shutil.which(TELNETD) or not shutil.which(BUSYBOX), reason="telnetd or busybox is not installed"
)
def test_the_persona_is_what_debian_says_today() -> None:
    stored, fresh = persona.load("telnet", "debian12", Persona), record()
    for name in STEADY:
        assert getattr(fresh, name) == getattr(stored, name), name
    assert fresh.answers.keys() == stored.answers.keys()
    for line in ("id", "busybox", "help", "uname -a", "mount", "wget"):
        assert fresh.answers[line] == stored.answers[line]
