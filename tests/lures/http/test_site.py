from hypothesis import given
from hypothesis import strategies as st

from propolis.clock import SECOND
from propolis.lures.http.site import INDEX, from_http_date, http_date, site

NOW = 1_795_000_000


def test_two_sensors_do_not_look_alike_and_one_does_not_change() -> None:
    pages = {
        seed: site("debian12", seed).reply(INDEX, NOW * SECOND, gzip=False, keep=True, only_head=False)
        for seed in (b"a", b"b")
    }
    assert pages[b"a"] != pages[b"b"]
    assert pages[b"a"] == site("debian12", b"a").reply(
        INDEX, NOW * SECOND, gzip=False, keep=True, only_head=False
    )


def test_the_date_follows_the_clock() -> None:
    page = site("debian12", b"a").reply(404, NOW * SECOND, gzip=False, keep=False, only_head=True)
    assert b"Date: " + http_date(NOW) + b"\r\n" in page
    assert page.endswith(b"Connection: close\r\n\r\n")
    later = site("debian12", b"a").reply(404, (NOW + 1) * SECOND, gzip=False, keep=False, only_head=True)
    assert b"Date: " + http_date(NOW + 1) + b"\r\n" in later


def test_the_server_was_installed_before_it_was_recorded_and_its_tag_says_when() -> None:
    found = site("debian12", b"a")
    installed = from_http_date(found.modified)
    assert installed is not None
    assert found.etag == f'"{installed:x}-{len(found.body):x}"'.encode()
    assert not found.is_modified_since(found.modified)
    assert found.is_modified_since(http_date(installed - 1))
    assert found.is_modified_since(b"yesterday")


@given(st.integers(0, 4_000_000_000))
def test_dates_go_there_and_back(seconds: int) -> None:
    assert from_http_date(http_date(seconds)) == seconds


@given(st.binary(max_size=40))
def test_no_bytes_are_taken_for_a_date(text: bytes) -> None:
    assert from_http_date(text) is None
