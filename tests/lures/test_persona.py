from propolis.lures.persona import DEFAULT, load


def test_a_persona_nobody_recorded_is_the_default() -> None:
    assert load("tls", "../../etc/passwd", dict) == load("tls", DEFAULT, dict) == load("tls", "", dict)
