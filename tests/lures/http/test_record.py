import shutil

import pytest

from propolis.clock import ManualClock
from propolis.lures import persona
from propolis.lures.http.record import ROOT, record
from propolis.lures.http.site import Persona


@pytest.mark.root
@pytest.mark.skipif(not shutil.which("nginx"), reason="Debian's nginx-light is not installed")
def test_the_persona_is_what_nginx_says_today() -> None:
    stored = persona.load("http", "debian12", Persona)
    fresh = record(ManualClock(), ROOT / "index.html")
    assert fresh.pages == stored.pages
    assert fresh.product == stored.product
