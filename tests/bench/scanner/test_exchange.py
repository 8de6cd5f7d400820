import gzip

import pytest
from bench.scanner.exchange import Client, ExchangeError, Message, compose

from answering import page, serving


def test_a_message_is_composed_as_the_client_does() -> None:
    message = Message(
        method="POST",
        path="/a",
        query="b=c d",
        host="h:1",
        fields=(("X-b", "2"), ("User-Agent", "u"), ("Accept", "*/*"), ("Content-Length", "99")),
        body="xyz",
    )
    assert compose(message, "s=1").split("\r\n") == [
        "POST /a?b=c+d HTTP/1.1",
        "Host: h:1",
        "User-Agent: u",
        "Content-Length: 3",
        "Accept: */*",
        "Cookie: s=1",
        "X-b: 2",
        "Accept-Encoding: gzip",
        "Connection: close",
        "",
        "xyz",
    ]


def test_an_answer_is_shown_as_matchers_see_it() -> None:
    packed = gzip.compress(b"hello").decode("latin-1")
    fields = ("x-powered-by: PHP", "content-encoding: gzip", "Set-Cookie: s=1; path=/", "set-cookie: t=2")
    with serving(lambda _: page(packed, "200 Fine", *fields)) as (address, _):
        (answer,) = Client(address).exchange(Message(host="h"))
    assert answer.body == "hello"
    assert (
        answer.header_block
        == "HTTP/1.1 200 Fine\r\nSet-Cookie: s=1; path=/\r\nSet-Cookie: t=2\r\nX-Powered-By: PHP\r\n\r\n"
    )
    assert [cookie[:2] for cookie in answer.cookies()] == [("s", "1"), ("t", "2")]


def test_chunks_are_joined() -> None:
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n"
    with serving(lambda _: data) as (address, _):
        (answer,) = Client(address).exchange(Message(host="h"))
    assert answer.body == "abcde"


def test_redirects_are_followed_as_the_template_says_and_the_last_answer_is_first() -> None:
    def answer(data: bytes) -> bytes:
        if data.startswith(b"GET /end"):
            return page("there")
        return page("", "302 Found", "Location: /end?x=1", "Set-Cookie: s=1")

    with serving(answer) as (address, received):
        client = Client(address)
        assert [one.status for one in client.exchange(Message(host="h"))] == [302]
        message = Message(host="h", method="POST", body="abc")
        assert [one.status for one in client.exchange(message, redirects="host")] == [200, 302]
    assert received[2].startswith(b"GET /end?x=1 HTTP/1.1\r\n")
    assert b"Cookie: s=1\r\n" in received[2]


def test_another_host_is_never_asked() -> None:
    with serving(lambda _: page("", "302 Found", "Location: http://elsewhere.example.net/")) as (address, _):
        client = Client(address)
        assert len(client.exchange(Message(host="h"), redirects="host")) == 1
        with pytest.raises(ExchangeError, match="not asked"):
            client.exchange(Message(host="h"), redirects="all")


def test_an_unsafe_message_is_sent_as_it_is() -> None:
    with serving(lambda _: page("ok")) as (address, received):
        Client(address).exchange(Message(host="h", raw="GET /a/../b HTTP/1.1\r\nhOST : h\r\n\r\n"))
    assert received == [b"GET /a/../b HTTP/1.1\r\nhOST : h\r\n\r\n"]


@pytest.mark.parametrize("data", [b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"])
def test_what_is_no_answer_is_told(data: bytes) -> None:
    with serving(lambda _: data) as (address, _), pytest.raises(ExchangeError):
        Client(address).exchange(Message(host="h"))


def test_waiting_has_an_end() -> None:
    with serving(lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc") as (address, _):
        (answer,) = Client(address).exchange(Message(host="h"))
    assert answer.body == "abc"
