from propolis.lures.http.site import Persona
from propolis.lures.persona import DEFAULT, load


def test_a_persona_nobody_recorded_is_the_default() -> None:
    assert load("http", "../../etc/passwd", Persona) == load("http", DEFAULT, Persona)
    assert load("http", "", Persona).product == "nginx/1.22.1"
