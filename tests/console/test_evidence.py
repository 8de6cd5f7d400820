from hypothesis import given
from hypothesis import strategies as st

from propolis.console.evidence import MAX_FIELD, MAX_PAYLOAD, dump, inert, lake_question, show


def test_a_dump_reads_as_hexdump_writes_it() -> None:
    assert list(dump(b"GET / HTTP/1.1\r\nX")) == [
        "00000000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  |GET / HTTP/1.1..|",
        "00000010  58                                                |X|",
    ]


@given(st.binary(max_size=200))
def test_every_byte_is_in_the_dump(data: bytes) -> None:
    shown = "".join(line[10:58] for line in dump(data))
    assert bytes.fromhex(shown.replace(" ", "")) == data
    assert all(line.isprintable() and line.isascii() for line in dump(data))


@given(st.text(max_size=300))
def test_inert_text_can_be_seen_as_what_it_is(text: str) -> None:
    assert inert(text).isprintable()


def test_what_would_move_a_cursor_or_turn_the_text_around_is_written_out() -> None:
    assert inert("a\x1b[2Jb\u202ec\U000e0041") == "a\\x1b[2Jb\\u202ec\\U000e0041"


def test_text_is_bounded_and_says_so() -> None:
    assert inert("a" * 5_000) == "a" * MAX_FIELD + "…"


def test_an_event_is_shown_field_by_field_and_its_payload_twice() -> None:
    shown = show({"time": 1_700_000_000_000_000_000, "path": "/\x07", "payload": b"one\r\ntwo\x00"})
    assert shown.fields == {"time": "2023-11-14T22:13:20.000Z", "path": "/\\x07"}
    assert shown.text == "one\ntwo\\x00"
    assert (shown.bytes_total, shown.bytes_shown, len(shown.dump)) == (9, 9, 1)


def test_a_long_payload_is_cut_and_says_so() -> None:
    shown = show({"payload": b"x" * 100_000})
    assert (shown.bytes_total, shown.bytes_shown) == (100_000, MAX_PAYLOAD)


@given(st.text(max_size=80))
def test_the_lakes_question_carries_nothing_but_an_id(event: str) -> None:
    assert set(lake_question(event).partition("id = '")[2]) <= set("0123456789abcdef-'\"")
