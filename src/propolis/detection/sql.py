"""SQL injection by tokens: whether an input, put where a statement has a value, would go on as SQL of its own.

In the manner of libinjection (Galbreath, "libinjection: from SQLi to XSS", 2012): an input is read three times and
more, as if it stood bare, within ``'``, within ``"`` and within a backtick. Each reading becomes a string of one
letter a token, and what makes an injection is said as a pattern over those letters, not over the text:

====  =====================================================  ====  ==================================
``1``  number                                                ``&``  ``and``, ``or``, ``xor``, ``||``, ``&&``
``s``  string                                                ``o``  comparison or arithmetic
``v``  variable (``@x``, ``@@version``)                      ``U``  ``union``
``n``  any other word                                        ``E``  ``select`` and other statements
``f``  word that is called                                   ``B``  ``from``, ``where``, ``order by``, ``having``, …
``T``  function that takes time or reports by an error       ``c``  comment to the end
====  =====================================================  ====  ==================================

Parentheses, commas and semicolons stand for themselves. O(bytes), at most ``TOKENS`` tokens a reading.
"""

import re

TOKENS = 96
"""How many tokens of a reading are looked at: what is injected stands at its beginning."""

VALUE_BYTES = 4_096
"""How much of an input is looked at."""

NEEDS = (
    rb"['\"`#]|--|\|\||&&|\b(?:and|or|xor|union|select|insert|update|delete|drop|alter|create|truncate|exec|execute"
    rb"|declare|waitfor|begin|shutdown|from|where|having|order|group|limit|into|procedure)\b|;\s*\w+\s*\(|sleep\s*\("
)
"""No input without one of these is an injection; the pattern is also the prefilter of rules that ask."""

_NEEDS = re.compile(NEEDS)
_TOKEN = re.compile(
    rb"(?P<skip>[\s\x00\xa0`]+|/\*!\d*|\*/|/\*(?:(?!\*/).)*\*/)"
    rb"|(?P<comment>--.*|\#.*|/\*.*)"
    rb"|(?P<string>'(?:[^'\\]|\\.|'')*(?:'|$)|\"(?:[^\"\\]|\\.|\"\")*(?:\"|$))"
    rb"|(?P<number>(?:0x[0-9a-f]+|\d+(?:\.\d*)?(?:e[+-]?\d+)?)(?![a-z_])|\.\d+)"
    rb"|(?P<variable>@@?[a-z_]\w*)"
    rb"|(?P<word>[a-z_][\w.$]*)"
    rb"|(?P<logic>\|\||&&)"
    rb"|(?P<operator>[=<>!~^%|&*/+:-]+?(?=--|/\*|[^=<>!~^%|&*/+:-]|$))"
    rb"|(?P<mark>[(),;])"
    rb"|(?P<other>.)",
    re.DOTALL,
)
_GROUPS = {"comment": "c", "string": "s", "number": "1", "variable": "v", "logic": "&", "operator": "o"}
_WORDS = {
    **dict.fromkeys((b"and", b"or", b"xor"), "&"),
    **dict.fromkeys((b"like", b"rlike", b"regexp", b"between", b"in", b"is", b"div", b"mod", b"glob"), "o"),
    b"union": "U",
    **dict.fromkeys(
        b"select insert update delete drop alter create truncate exec execute declare waitfor shutdown begin".split(),
        "E",
    ),
    **dict.fromkeys((b"from", b"where", b"having", b"order", b"group", b"limit", b"into", b"procedure"), "B"),
    **dict.fromkeys((b"all", b"distinct", b"distinctrow", b"by", b"not", b"binary"), ""),
}
_TELLING = frozenset(
    b"sleep pg_sleep benchmark extractvalue updatexml load_file xp_cmdshell dbms_pipe.receive_message "
    b"dbms_lock.sleep utl_inaddr.get_host_address utl_http.request randomblob gtid_subset "
    b"exp xmltype master..xp_cmdshell sqlite_sleep like_sleep".split()
)
_CALL = re.compile(rb"\s*\(")

_ANYWHERE = re.compile(
    r"U\(*E[^;]*?(?:,|[fT]\(|B|c|[1sv])"  # union select
    r"|[&o,(E=;]\(*T\("  # a function that takes time, as part of an expression
    r"|[&o,]\(*\(E[^c]*?(?:[fT]\(|B|1)"  # a subselect as an operand
)
_QUOTED = re.compile(
    r"\)*(?:"
    r"c"  # the rest of the statement is commented out
    r"|;+\(*(?:E|n?[fT]\(|c|$)"  # another statement follows
    r"|n{0,2}B[1s]o\(*[1s]"  # ) as x where 1=1
    r"|&\(*(?:[1snv]\)*[o&]\(*[1snvfTE(]|[fT]\(|\(*E|[1n]\)*(?:c|$)|s)"  # or 'a'='a
    r"|o+\(*(?:[fT]\(|\(*E|[1snv]\)*[&c])"  # -(select ..), ='' or
    r"|B(?:1|n?[&o,]|.{0,6}c)"  # order by 9--
    r")"
)
_BARE = re.compile(
    r"o?[1v]\)*(?:"
    r"&\(*(?:[1sv]\)*[o&]\(*[1svnfT(]|[nf]\)*o\(*[1sv]|[fT]\(|\(E|n\)*c|1\)*(?:c|$))"
    r"|;+\(*(?:E|n?[fT]\(.*c)"
    r"|n{0,2}B[1s]o\(*[1s]"
    r"|o\(*(?:T\(|\(E)"
    r"|\)*[&;]?c$"
    r"|B1(?:$|,1|c))"
    r"|n&\(*[1s]o\(*[1s](?:$|c|&)"
    r"|\(+E[^c]*(?:B|[fT]\()"
    r"|\)+(?:&|;E|[^c]{0,3}U)"
    r"|U\(*E[1s(v]"
    r"|&\(*[1s]o\(*[1s](?:$|[c&)])"
)
_PROBE = re.compile(
    rb"(?:-?\d{1,20}|\w{0,4}|[a-z]{2}_[a-z]{2})\\?(?:'{1,2}|\")(?:\)|\s|\(){0,4}['\"]?|['\"](?:\s?(?:or|and)\s?['\"=\d]+)+"
)


def is_injection(value: bytes) -> bool:
    """Whether an input, its escapes undone and in lower case, breaks out of a value. O(bytes)."""
    value = value[:VALUE_BYTES].strip()
    if not _NEEDS.search(value):
        return False
    if _PROBE.fullmatch(value):
        return True
    bare = fingerprint(value)
    if _BARE.match(bare) or _ANYWHERE.search(bare):
        return True
    for quote in (b"'", b'"', b"`"):
        inner, found, rest = value.partition(quote)
        if found and len(inner) <= 256:
            letters = fingerprint(rest)
            if _QUOTED.match(letters) and not _is_prose(letters):
                return True
            if _ANYWHERE.search(letters):
                return True
    return False


def fingerprint(value: bytes) -> str:
    """One letter a token, as the table above has it; ``?`` for what SQL does not know."""
    letters: list[str] = []
    for match in _TOKEN.finditer(value):
        kind = match.lastgroup
        if kind == "word":
            letters.append(_word(match[0], value, match.end()))
        elif kind == "mark":
            letters.append(match[0].decode())
        elif kind != "skip":
            letters.append(_GROUPS.get(kind or "", "?"))
        if len(letters) >= TOKENS:
            break
    return "".join(letters)


def _word(word: bytes, value: bytes, end: int) -> str:
    letter = _WORDS.get(word)
    if letter is not None:
        return letter
    if _CALL.match(value, end):
        return "T" if word in _TELLING else "f"
    return "n"


def _is_prose(letters: str) -> bool:
    """Whether words follow one another as they do in a sentence and never in an expression."""
    return letters[:1] not in {";", ")"} and "nnn" in letters[:12]
