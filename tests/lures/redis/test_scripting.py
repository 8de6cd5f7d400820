from lures.redis.real import answer, answers
from propolis.lures.redis.scripting import SCRIPT_BYTES, SCRIPTS_MAX


def test_the_way_out_of_the_sandbox_is_closed() -> None:
    script = "local io_l = package.loadlib('/usr/lib/x86_64-linux-gnu/liblua5.1.so.0', 'luaopen_io')"
    assert answer(f'EVAL "{script}" 0').startswith(
        b"-ERR user_script:1: Script attempted to access nonexistent global variable 'package' script: "
    )


def test_one_call_is_played() -> None:
    assert answer("EVAL \"return redis.call('set', 'a', '1')\" 0", "GET a") == b"$1\r\n1\r\n"
    assert answer("EVAL \"return redis.call('eval', 'return 1', '0')\" 0").startswith(
        b"-ERR This Redis command is not"
    )


def test_scripts_are_known_by_their_digest_and_bounded() -> None:
    digest = answer("SCRIPT LOAD 'return 7'").split(b"\r\n")[1].decode()
    assert answer("SCRIPT LOAD 'return 7'", f"EVALSHA {digest} 0") == b":7\r\n"
    many = [f"EVAL 'return {number}' 0" for number in range(SCRIPTS_MAX + 1)]
    assert answers("SCRIPT LOAD 'return 7'", *many, f"SCRIPT EXISTS {digest}")[-1] == b"*1\r\n:0\r\n"


def test_long_scripts_are_not_remembered() -> None:
    digest = answer(f"SCRIPT LOAD 'return 7 {' ' * SCRIPT_BYTES}'").split(b"\r\n")[1].decode()
    assert (
        answer(f"SCRIPT LOAD 'return 7 {' ' * SCRIPT_BYTES}'", f"SCRIPT EXISTS {digest}") == b"*1\r\n:0\r\n"
    )


def test_spaces_do_not_take_forever() -> None:
    assert answer(f"EVAL 'return 1{' ' * 60_000}x' 0") == b"$-1\r\n"


def test_what_is_not_understood_returns_nothing() -> None:
    assert answer("EVAL 'local x = 1; return x' 0") == b"$-1\r\n"
