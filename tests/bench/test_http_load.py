from bench.http_load import Spec, run

from answering import page, serving

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def test_answers_are_counted_to_their_last_byte() -> None:
    answers = {
        b"GET /1": page("one"),
        b"GET /2": b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"GET /3": b"HTTP/1.1 204 No Content\r\n\r\n",
        b"GET /4": b"HTTP/1.1 500 Oh\r\n\r\nuntil the end",
    }
    requests = tuple(name + b" HTTP/1.1\r\nHost: h\r\n\r\n" for name in answers)
    with serving(lambda data: answers[data[:6]]) as ((_, port), received):
        load = run(Spec(port=port, requests=requests, seconds=0.3, mode="fresh", connections=2))
    assert set(load.statuses) == {"200", "404", "204", "500"}
    assert load.lost == 0
    assert sum(load.statuses.values()) == len(received)


def test_what_a_server_leaves_unanswered_is_lost() -> None:
    with serving(lambda _: b"") as ((_, port), _):
        load = run(Spec(port=port, requests=(GET,), seconds=0.1, connections=1, depth=4))
    assert load.answered == 0
    assert load.lost > 0
