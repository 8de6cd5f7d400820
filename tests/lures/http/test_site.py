import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.clock import SECOND
from propolis.lures.http.server import SERVERS
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


AT = NOW * SECOND
EVERY_SERVER = pytest.mark.parametrize("name", SERVERS)


@EVERY_SERVER
def test_a_lures_answer_wears_the_servers_clothes(name: str) -> None:
    place = site(name, b"a")
    given_headers = ((b"X-Own", b"{host}"), (b"Server", b"own"))
    said = place.dress(200, b"", given_headers, b"body", AT, keep=True, only_head=False)
    head, _, body = said.partition(b"\r\n\r\n")
    assert body == b"body"
    assert head.lower().count(b"\r\nserver: ") == 1
    assert b"\r\nServer: own" in head
    assert b"\r\nX-Own: {host}" in head
    assert b"\r\ncontent-length: 4" in head.lower()
    assert head.count(b"{") == 1


@EVERY_SERVER
def test_some_answers_have_no_body(name: str) -> None:
    place = site(name, b"a")
    for status, only_head in ((204, False), (304, False), (200, True)):
        said = place.dress(status, b"", (), b"body", AT, keep=False, only_head=only_head)
        assert said.endswith(b"\r\n\r\n")
    coded = place.dress(
        200, b"", ((b"Transfer-Encoding", b"chunked"),), b"0\r\n\r\n", AT, keep=True, only_head=False
    )
    assert b"content-length" not in coded.lower()


def test_headers_stand_where_the_server_puts_them() -> None:
    given_headers = ((b"Content-Type", b"a/b"), (b"Set-Cookie", b"c=d"))
    said = {
        name: site(name, b"a").dress(200, b"", given_headers, b"", AT, keep=True, only_head=False)
        for name in ("nginx", "apache", "tomcat")
    }
    order = {name: [line.split(b":")[0] for line in text.split(b"\r\n")[1:-2]] for name, text in said.items()}
    assert order["nginx"] == [
        b"Server",
        b"Date",
        b"Content-Type",
        b"Content-Length",
        b"Connection",
        b"Set-Cookie",
    ]
    assert order["apache"] == [b"Date", b"Server", b"Set-Cookie", b"Content-Length", b"Content-Type"]
    assert order["tomcat"] == [b"Set-Cookie", b"Content-Type", b"Content-Length", b"Date"]


def test_pages_repeat_what_the_product_repeats_and_as_it_does() -> None:
    target, host = b"/<b>?x", b"shop.example:8080"
    said = {
        name: site(name, b"a", 80).page(404, b"GET", target, host, AT, keep=True, only_head=False)
        for name in ("apache", "tomcat", "jetty", "boa")
    }
    assert b"Server at shop.example Port 8080</address>" in said["apache"]
    assert b"[&#47;&lt;b&gt;]" in said["tomcat"]
    assert b"<td>/&lt;b&gt;</td>" in said["jetty"]
    assert b"URL /&lt;b&gt; was" in said["boa"]


@EVERY_SERVER
def test_lengths_are_true(name: str) -> None:
    for status in (200, 400, 403, 404, 500, 503):
        said = site(name, b"a").page(status, b"GET", b"/x", b"a", AT, keep=False, only_head=False)
        head, _, body = said.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: ")]
        assert lengths in ([], [b"content-length: %d" % len(body)])


def test_a_method_gets_what_the_server_gives_it() -> None:
    allowed = {
        name: site(name, b"a").allows(b"PUT", b"/x") for name in ("nginx", "apache", "python", "express")
    }
    assert allowed == {"nginx": 404, "apache": 405, "python": 501, "express": 404}
    assert site("apache", b"a").allows(b"GET", b"/.htpasswd") == 403
    assert all(site(name, b"a").allows(b"GET", b"/?x") == 200 for name in SERVERS)


def test_what_is_written_down_of_iis_has_the_sizes_that_are_known() -> None:
    pages = site("iis", b"a").persona.pages
    sizes = {
        name: len(pages[name].body) for name in ("200", "400", "400 verb", "400 target", "404", "405", "411")
    }
    assert sizes == {
        "200": 703,
        "400": 334,
        "400 verb": 326,
        "400 target": 324,
        "404": 1245,
        "405": 1293,
        "411": 344,
    }
