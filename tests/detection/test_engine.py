from pathlib import Path
from uuid import UUID

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from batches import BEGIN, batch_of, built_in, engine_of, opens, tries
from catalogued import flaw
from propolis import notes
from propolis.clock import SECOND
from propolis.detection import Engine, State
from propolis.detection.engine import Knowledge
from propolis.detection.rules import Rule, RuleSet, Threshold
from propolis.detection.rules.examples import event, request
from propolis.events import (
    KINDS,
    CommandRun,
    ConnectionOpened,
    CredentialTried,
    Event,
    PayloadReceived,
    RequestReceived,
    pack,
)
from propolis.events.canary import Mint
from propolis.findings import Finding, decode, encode
from propolis.flaws.file import Flaw
from propolis.flaws.index import Catalogue
from rule_files import rule_of

ATTACKER, OTHER = "203.0.113.9", "2001:db8::9"


def step(
    engine: Engine, rows: list, state: State | None = None, **where: object
) -> tuple[tuple[Finding, ...], State]:
    return engine.step(batch_of(rows, **where), engine.fresh() if state is None else state, 1_000, 1)


def rules_of(found: tuple[Finding, ...]) -> list[str]:
    return [finding.rule for finding in found]


def test_one_credential_on_a_decoy_is_an_attempt() -> None:
    found, _ = step(engine_of(), tries(ATTACKER, 1))
    assert [(finding.rule, finding.grade, finding.source) for finding in found] == [
        ("credential-tried", "attempt", ATTACKER)
    ]


def test_five_credentials_are_guessing() -> None:
    engine = engine_of()
    found, state = step(engine, tries(ATTACKER, 4))
    assert rules_of(found) == ["credential-tried"]
    found, state = step(engine, tries(ATTACKER, 1), state)
    assert rules_of(found) == ["password-guessing"]
    (guessing,) = found
    assert guessing.count == 5
    assert guessing.first_seen == BEGIN - 1_000_000
    assert [evidence.summary for evidence in guessing.evidence] == [
        "the first of 5",
        "root / secret-0 (password)",
    ]
    assert guessing.confidence == 97
    found, _ = step(engine, tries(ATTACKER, 9), state)
    assert found == ()


def test_guesses_of_different_sources_do_not_add_up() -> None:
    found, _ = step(engine_of(), [*tries(ATTACKER, 4), *tries(OTHER, 4)])
    assert rules_of(found) == ["credential-tried", "credential-tried"]


def test_three_ports_are_a_sweep_and_eight_a_wide_one() -> None:
    found, _ = step(engine_of(), opens(ATTACKER, *range(20, 28)))
    assert [(finding.rule, finding.confidence, finding.evidence_class) for finding in found] == [
        ("port-sweep", 80, "handshake"),
        ("port-sweep-wide", 95, "handshake"),
    ]
    assert [len(finding.evidence) for finding in found] == [3, 8]


def test_the_same_finding_is_made_once_a_window() -> None:
    engine = engine_of()
    found, state = step(engine, tries(ATTACKER, 1))
    again, state = step(engine, tries(ATTACKER, 1), state, begin=BEGIN + 59 * SECOND)
    anew, state = step(engine, tries(ATTACKER, 1), state, begin=BEGIN + 60 * SECOND)
    assert (len(found), again, len(anew)) == (1, (), 1)
    assert found[0].id != anew[0].id


def test_a_late_event_counts_in_the_present_window() -> None:
    engine = engine_of()
    _, state = step(engine, tries(ATTACKER, 4), begin=BEGIN + 60 * SECOND)
    found, _ = step(engine, tries(ATTACKER, 1), state, begin=BEGIN + 59 * SECOND)
    assert rules_of(found) == ["password-guessing"]


def test_a_clock_set_back_begins_anew() -> None:
    engine = engine_of()
    _, state = step(engine, tries(ATTACKER, 4), begin=BEGIN + 3_600 * SECOND)
    found, _ = step(engine, tries(ATTACKER, 1), state)
    assert rules_of(found) == ["credential-tried"]


def test_repeats_in_one_batch_are_counted_and_cited() -> None:
    found, _ = step(engine_of(), [(ATTACKER, CommandRun("CONFIG SET dir /tmp"))] * 20)
    assert [(finding.rule, finding.count, len(finding.evidence)) for finding in found] == [
        ("redis-takeover", 20, 8)
    ]


def test_independent_evidence_in_the_window_raises_confidence() -> None:
    found, _ = step(engine_of(), [*opens(ATTACKER, 21, 22, 23), *tries(ATTACKER, 1)])
    assert [(finding.rule, finding.confidence) for finding in found] == [
        ("port-sweep", 80),
        ("credential-tried", 98),
    ]


def test_a_source_that_could_be_forged_is_not_judged() -> None:
    found, state = step(
        engine_of(), [*tries(ATTACKER, 9), *opens(ATTACKER, 21, 22, 23)], evidence_class="spoofable"
    )
    assert found == ()
    assert state.count == 0


def test_the_longest_silent_source_is_forgotten_and_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[notes.Note] = []
    monkeypatch.setattr("propolis.detection.engine.tell", told.append)
    engine = engine_of(max_sources=2)
    found, state = step(
        engine, [*tries(ATTACKER, 1), *tries(OTHER, 1), *opens("192.0.2.3", 22), *tries(ATTACKER, 1)]
    )
    assert rules_of(found) == ["credential-tried"] * 3
    assert state.evicted == 2
    (note,) = told
    assert isinstance(note, notes.LimitHit)
    assert (note.stage, note.limit) == ("detection", "max_sources")
    assert note.cost.startswith("2 ")
    step(engine, opens("192.0.2.4", 22), state)
    assert len(told) == 1


def test_an_empty_batch_is_no_event() -> None:
    engine = engine_of()
    assert step(engine, [])[0] == ()


@pytest.mark.parametrize("rule", built_in().rules, ids=lambda rule: rule.id)
def test_every_rule_finds_its_examples(rule: Rule) -> None:
    engine = engine_of()
    examples = yaml.safe_load(Path(rule.path).read_text())["examples"]
    for side, wanted in (("match", True), ("miss", False)):
        for example in examples[side]:
            found, _ = step(
                engine,
                rows_of(example) if isinstance(rule.logic, Threshold) else [(ATTACKER, event_of(example))],
            )
            beside = [alternative.partition(":")[0] for one in found for alternative in one.alternatives]
            assert (rule.id in [*rules_of(found), *beside]) == wanted


def event_of(example: dict) -> Event:
    if "request" in example:
        return RequestReceived("", "", "", "", request(example["request"]), 0)
    kind = next(kind for kind in KINDS if kind.__name__ == example["kind"])
    values = {name: value for name, value in example.items() if name != "kind"}
    if "payload" in values:
        values["payload"] = values["payload"].encode("latin-1")
    if kind is RequestReceived:
        return RequestReceived(values.get("method", ""), values["path"], values["host"], "", b"", 0)
    if kind is CredentialTried:
        values = {"secret": "", **values}
    assert event(example)[0] == kind.__name__
    return kind(**values)


def rows_of(example: list[dict]) -> list:
    made = {
        "ConnectionOpened": ConnectionOpened(),
        "CredentialTried": CredentialTried("a", "b"),
        "CommandRun": CommandRun("id"),
        "RequestReceived": RequestReceived("GET", "/", "", "", b"", 0),
    }
    return [
        (ATTACKER, made[entry["kind"]], entry.get("port", 22))
        for entry in example
        for _ in range(entry.get("times", 1))
    ]


def asks(path: str, flaws: str = "", answered: str = "") -> RequestReceived:
    raw = f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    return RequestReceived("GET", path, "h", "", raw, 0, flaws=flaws, answered=answered)


def knowing(*flaws: Flaw, mint: Mint | None = None) -> Engine:
    engine = engine_of()
    engine.know(Knowledge(Catalogue(flaws), mint))
    return engine


BOX = flaw("box", cve=["CVE-2020-0001"], severity="critical", technique="T1059")


def test_a_request_that_the_sensor_named_is_a_finding_about_the_flaw() -> None:
    found, _ = step(knowing(BOX, flaw("other", "/o")), [(ATTACKER, asks("/x", "box/ask:812 other/ask:3"))])
    (finding,) = found
    assert (finding.rule, finding.title, finding.cve) == ("box", BOX.name, ("CVE-2020-0001",))
    assert (finding.grade, finding.confidence, finding.severity) == ("attempt", 80, "critical")
    assert (finding.technique, finding.kind) == ("T1059", "sqli")
    assert finding.alternatives == ("other/ask:3",)
    assert finding.evidence[0].summary == "GET /x"


def test_a_request_that_no_sensor_named_is_matched_here() -> None:
    found, _ = step(knowing(BOX), [(ATTACKER, asks("/box"))])
    assert rules_of(found) == ["box"]


def test_a_flaw_is_told_once_a_window_and_grade_and_its_rows_are_counted() -> None:
    looked = flaw("box", grade="scan")
    engine = knowing(looked)
    found, state = step(engine, [(ATTACKER, asks("/box"))] * 20)
    assert [(one.rule, one.count, len(one.evidence)) for one in found] == [("box", 20, 8)]
    again, state = step(engine, [(ATTACKER, asks("/box"))], State.from_bytes(state.to_bytes(), engine))
    assert again == ()
    engine.know(Knowledge(Catalogue([BOX])))
    risen, state = step(engine, [(ATTACKER, asks("/box"))], state)
    assert [(one.rule, one.grade) for one in risen] == [("box", "attempt")]
    anew, _ = step(engine, [(ATTACKER, asks("/box"))], state, begin=BEGIN + 60 * SECOND)
    assert rules_of(anew) == ["box"]
    assert len({one.id for one in (*found, *risen, *anew)}) == 3


def test_a_named_flaw_stands_before_the_class_that_the_request_shows() -> None:
    request = asks("/box?id=1%27%20OR%201=1--")
    assert rules_of(step(engine_of(), [(ATTACKER, request)])[0]) == ["sql-injection"]
    (finding,), _ = step(knowing(BOX), [(ATTACKER, request)])
    assert (finding.rule, finding.alternatives) == ("box", ("sql-injection:92",))


def test_what_is_pushed_is_known_from_the_next_batch_on() -> None:
    engine = engine_of()
    _, state = step(engine, [(ATTACKER, asks("/box"))])
    engine.know(Knowledge(Catalogue([BOX])))
    assert rules_of(step(engine, [(ATTACKER, asks("/box"))], state)[0]) == ["box"]


def test_whoever_uses_a_canary_is_confirmed_and_both_touches_are_evidence() -> None:
    mint = Mint(bytes(32))
    engine = knowing(BOX, mint=mint)
    secret = mint.mint("password", pack(ATTACKER))
    first = batch_of([(ATTACKER, asks("/box", "box/ask:812", "box/ask"))])
    _, state = engine.step(first, engine.fresh(), 0, 4)
    state = State.from_bytes(state.to_bytes(), engine)
    found, _ = step(engine, [(OTHER, CredentialTried("root", secret))], state)
    used = next(finding for finding in found if finding.rule == "canary-used")
    assert (used.source, used.grade, used.confidence) == (OTHER, "confirmed", 99)
    assert ATTACKER in used.title
    given, touch = used.evidence
    assert (given.event, given.sequence, given.row) == (str(UUID(bytes=first.column("id")[0].as_py())), 4, 0)
    assert secret in touch.summary


def test_a_canary_of_a_source_that_is_not_known_here_still_confirms() -> None:
    mint = Mint(bytes(32))
    found, _ = step(knowing(mint=mint), [(ATTACKER, CommandRun(f"x {mint.mint('uuid', pack(OTHER))}"))])
    assert [(one.rule, len(one.evidence)) for one in found] == [("canary-used", 1)]


hostile = st.lists(
    st.tuples(
        st.sampled_from([ATTACKER, OTHER, "192.0.2.3"]),
        st.one_of(
            st.builds(PayloadReceived, st.binary(max_size=40)),
            st.builds(CommandRun, st.text(max_size=20)),
            st.builds(CredentialTried, st.text(max_size=5), st.text(max_size=5)),
            st.builds(
                RequestReceived,
                st.text(max_size=5),
                st.text(max_size=20),
                st.text(max_size=5),
                st.text(max_size=5),
                st.binary(max_size=60),
                st.just(0),
            ),
            st.builds(ConnectionOpened),
        ),
        st.integers(1, 5),
    ),
    max_size=25,
)


_SMALL = engine_of(max_sources=2)


@given(hostile, st.integers(0, 25))
@settings(max_examples=60, deadline=None)
def test_any_events_make_findings_that_travel_and_repeat(rows: list, cut: int) -> None:
    engine = _SMALL
    runs = []
    for _ in range(2):
        found, state = step(engine, rows[:cut])
        more, _ = step(engine, rows[cut:], state)
        runs.append(found + more)
    assert runs[0] == runs[1]
    assert decode(encode(runs[0])) == runs[0]


def test_warming_leaves_nothing_behind() -> None:
    engine = engine_of()
    engine.warm()
    assert engine.fresh().count == 0


def test_other_rules_go_on_with_what_is_known_of_every_source() -> None:
    engine = engine_of()
    _, state = step(engine, tries(ATTACKER, 4))
    grown = RuleSet((*built_in().rules, rule_of("ants", "nest")))
    engine.adopt(engine.prepare(grown))
    raw = b"GET /nest?run=1 HTTP/1.1\r\n\r\n"
    found, state = step(
        engine, [(ATTACKER, RequestReceived("GET", "/", "", "", raw, 0)), *tries(ATTACKER, 1)], state
    )
    assert rules_of(found) == ["ants", "password-guessing"]
    engine.adopt(engine.prepare(built_in()))
    assert rules_of(step(engine, tries(ATTACKER, 5), state)[0]) == []


def test_what_is_known_of_flaws_and_canaries_outlives_other_rules() -> None:
    mint = Mint(bytes(32))
    engine = knowing(mint=mint)
    engine.adopt(engine.prepare(RuleSet((*built_in().rules, rule_of()))))
    found, _ = step(engine, [(ATTACKER, CommandRun(f"x {mint.mint('uuid', pack(OTHER))}"))])
    assert rules_of(found) == ["canary-used"]
