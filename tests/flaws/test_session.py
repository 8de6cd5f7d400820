from propolis.flaws.session import (
    IDLE,
    MAX_FLAWS,
    MAX_SESSION_BYTES,
    MAX_UPLOADS,
    MAX_VALUES,
    Session,
    Sessions,
)


def test_values_and_steps_are_kept_by_flaw() -> None:
    session = Session()
    assert session.remember("a", "job", b"1")
    assert session.remember("a", "job", b"22")
    assert session.take("a", "new")
    assert session.take("a", "submit")
    assert session.take("a", "new")
    assert session.known("a") == {"job": b"22"}
    assert session.known("b") == {}
    assert session.taken("a") == {"new", "submit"}
    assert not session.taken("b")
    assert (
        session.last_taken("a", "new") > session.last_taken("a", "submit") > session.last_taken("a", "x") == 0
    )
    assert session.last_taken("b", "new") == 0
    assert session.size == len("job22newsubmit")


def test_uploads_are_kept_by_path() -> None:
    session = Session()
    assert session.upload(b"/x.jsp", b"one")
    assert session.upload(b"/x.jsp", b"three")
    assert session.uploaded(b"/x.jsp") == b"three"
    assert session.uploaded(b"/y.jsp") is None
    assert list(session.uploads) == [b"/x.jsp"]
    assert session.size == len("/x.jspthree")


def test_a_source_has_limits() -> None:
    session = Session()
    assert not session.upload(b"/big", bytes(MAX_SESSION_BYTES))
    for number in range(MAX_UPLOADS):
        assert session.upload(b"%d" % number, b"")
    assert not session.upload(b"one more", b"")
    for number in range(MAX_VALUES):
        assert session.remember("flaw", str(number), b"")
    assert not session.remember("flaw", "one more", b"")
    assert session.remember("flaw", "0", b"again")
    for number in range(MAX_FLAWS):
        assert session.take(str(number), "step")
    assert not session.take("one more", "step")
    assert session.take("0", "step")


def test_a_silent_source_is_forgotten() -> None:
    sessions = Sessions()
    session = sessions.of(b"a", 0)
    assert sessions.of(b"a", IDLE - 1) is session
    assert sessions.of(b"a", 2 * IDLE) is not session
    assert sessions.forgotten == 0
    assert len(sessions) == 1


def test_the_source_idle_longest_makes_room() -> None:
    sessions = Sessions(max_sources=2)
    first, second = sessions.of(b"a", 0), sessions.of(b"b", 1)
    assert sessions.of(b"a", 2) is first
    sessions.of(b"c", 3)
    assert sessions.of(b"a", 4) is first
    assert sessions.of(b"b", 5) is not second
    assert sessions.forgotten == 2


def test_all_sources_have_limits_together() -> None:
    sessions = Sessions(max_bytes=100)
    first = sessions.of(b"a", 0)
    first.upload(b"x", bytes(99))
    second = sessions.of(b"b", 1)
    second.upload(b"x", bytes(99))
    third = sessions.of(b"c", 2)
    assert len(sessions) == 2
    first.upload(b"y", bytes(500))
    assert sessions.of(b"c", 3) is third
    assert sessions.forgotten == 1
