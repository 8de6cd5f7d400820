"""Rule files of the tests: one rule about one word in a request, which can be changed."""

from pathlib import Path

from propolis.detection.rules import Rule, parse

TEXT = """\
title: {title}
id: {id}
level: high
grade: {grade}
confidence: 95
tags: [attack.t1190]
logsource: {{kind: RequestReceived}}
detection:
  page: {{path_decoded|contains: '/{word}'}}
  call: {{query|contains: 'run='}}
  condition: page and call
examples:
  match:
    - request: |
        GET /{proof}?run=id HTTP/1.1
        Host: 192.0.2.1

  miss:
    - request: |
        GET /{word}?show=id HTTP/1.1
        Host: 192.0.2.1

"""


def rule_text(
    name: str = "wax-run", word: str = "waxworks", *, proof: str = "", grade: str = "attempt", title: str = ""
) -> str:
    """A good rule that looks for ``word``; with a ``proof`` that is another, one whose own example fails."""
    return TEXT.format(id=name, title=title or f"Runs {name}", word=word, proof=proof or word, grade=grade)


def rule_of(name: str = "wax-run", word: str = "waxworks", **more: str) -> Rule:
    return parse(rule_text(name, word, **more).encode(), Path(f"{name}.yaml"))


def write_rule(folder: Path, name: str = "wax-run", word: str = "waxworks", **more: str) -> Path:
    """A rule's file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(rule_text(name, word, **more), encoding="utf-8")
    return path
