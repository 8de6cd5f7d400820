"""``EVAL`` without Lua: constants, and what an attacker's script would find missing.

Nothing is executed. A script that returns a constant, a key, an argument or the answer of one command gets it; one that
uses a global that the sandbox does not have gets the server's words for it; any other returns nothing.
"""

import hashlib
import re

from propolis.lures.redis.session import NOT_AN_INTEGER, Handler, Refused, Session, number_of
from propolis.lures.redis.wire import OK, Error, Value

SCRIPTS_MAX = 100
SCRIPT_BYTES = 16_384
"""How many scripts are remembered, and up to which length."""
_LITERAL = rb"""(?:"[^"\\]{0,4096}"|'[^'\\]{0,4096}'|-?\d{1,15})"""
_RETURN = re.compile(rb"\s*return\s+(%b|nil|true|false|(?:KEYS|ARGV)\[\d{1,4}\])\s*+;?\s*" % _LITERAL)
_CALL = re.compile(
    rb"\s*return\s+redis\.(p?call)\(\s*((?:%b\s*,\s*){0,32}%b)\s*\)\s*+;?\s*" % (_LITERAL, _LITERAL)
)
_LITERALS = re.compile(_LITERAL)
_OUTSIDE = re.compile(
    rb"(?<![\w.:'\"])(package|io|os|require|dofile|loadfile|debug|print|module|socket|ffi|jit)\b(?!\s*=)"
)
"""Globals of plain Lua that the server's sandbox does not have."""
_NO_GLOBAL = (
    "ERR user_script:{}: Script attempted to access nonexistent global variable '{}' "
    "script: {}, on @user_script:{}."
)


def eval_(session: Session, words: list[bytes]) -> Value:
    """``EVAL script keys [key …] [argument …]``, ``EVAL_RO``."""
    keys = _keys(words)
    digest = _remember(session, words[1])
    return _run(session, words[1], keys, words[3 + len(keys) :], digest)


def evalsha(session: Session, words: list[bytes]) -> Value:
    """``EVALSHA digest keys …``."""
    keys = _keys(words)
    digest = words[1].lower()
    if digest not in session.scripts:
        raise Refused("NOSCRIPT No matching script. Please use EVAL.")
    return _run(session, session.scripts[digest], keys, words[3 + len(keys) :], digest.decode("latin-1"))


def _keys(words: list[bytes]) -> list[bytes]:
    count = number_of(words[2], NOT_AN_INTEGER)
    if count > len(words) - 3:
        raise Refused("ERR Number of keys can't be greater than number of args")
    if count < 0:
        raise Refused("ERR Number of keys can't be negative")
    return words[3 : 3 + count]


def _remember(session: Session, script: bytes) -> str:
    digest = hashlib.sha1(script, usedforsecurity=False).hexdigest()
    if len(script) <= SCRIPT_BYTES:
        if len(session.scripts) >= SCRIPTS_MAX:
            session.scripts.pop(next(iter(session.scripts)))
        session.scripts[digest.encode()] = script
    return digest


def _run(session: Session, script: bytes, keys: list[bytes], arguments: list[bytes], digest: str) -> Value:
    returned = _RETURN.fullmatch(script)
    if returned:
        return _constant(returned[1], keys, arguments)
    called = _CALL.fullmatch(script)
    if called:
        return _called(session, called[1], [_text(word) for word in _LITERALS.findall(called[2])], digest)
    missing = _OUTSIDE.search(script)
    if missing:
        line = script.count(b"\n", 0, missing.start()) + 1
        raise Refused(_NO_GLOBAL.format(line, missing[1].decode(), digest, line))
    return None


def _constant(word: bytes, keys: list[bytes], arguments: list[bytes]) -> Value:
    """What Lua's value becomes: false and nil are null, true is 1."""
    if word in {b"nil", b"false"}:
        return None
    if word == b"true":
        return 1
    if word[:5] in {b"KEYS[", b"ARGV["}:
        given, index = keys if word.startswith(b"K") else arguments, int(word[5:-1])
        return given[index - 1] if 0 < index <= len(given) else None
    return int(word) if word[:1] not in b"\"'" else word[1:-1]


def _text(literal: bytes) -> bytes:
    return literal[1:-1] if literal[:1] in b"\"'" else literal


def _called(session: Session, how: bytes, words: list[bytes], digest: str) -> Value:
    shape = session.instance.table.shapes.get(words[0].lower())
    if shape is not None and "noscript" in shape.flags:
        return Error(
            f"ERR This Redis command is not allowed from script script: {digest}, on @user_script:1."
        )
    answer = session.run(session, words)
    if not isinstance(answer, Error):
        return answer
    text = answer.text
    if text.startswith("ERR unknown"):
        text = "ERR Unknown Redis command called from script"
    elif text.startswith("ERR wrong number"):
        text = "ERR Wrong number of args calling Redis command from script"
    return answer if how == b"pcall" else Error(f"{text} script: {digest}, on @user_script:1.")


def script_load(session: Session, words: list[bytes]) -> Value:
    """``SCRIPT LOAD script``: its digest."""
    session.charge(len(words[2]))
    return _remember(session, words[2]).encode()


def script_exists(session: Session, words: list[bytes]) -> Value:
    """``SCRIPT EXISTS digest …``."""
    return [int(word.lower() in session.scripts) for word in words[2:]]


def script_flush(session: Session, words: list[bytes]) -> Value:
    """``SCRIPT FLUSH [ASYNC|SYNC]``."""
    if len(words) > 3 or (len(words) == 3 and words[2].upper() not in {b"ASYNC", b"SYNC"}):
        raise Refused("ERR SCRIPT FLUSH only support SYNC|ASYNC option")
    session.scripts.clear()
    return OK


def script_kill(_session: Session, _words: list[bytes]) -> Value:
    """``SCRIPT KILL``."""
    raise Refused("NOTBUSY No scripts in execution right now.")


COMMANDS: dict[bytes, Handler] = {
    b"eval": eval_,
    b"eval_ro": eval_,
    b"evalsha": evalsha,
    b"evalsha_ro": evalsha,
    b"script|exists": script_exists,
    b"script|flush": script_flush,
    b"script|kill": script_kill,
    b"script|load": script_load,
}
