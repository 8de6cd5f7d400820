import pytest

from propolis.flaws.effects.php.functions import FUNCTIONS, LANGUAGE
from propolis.flaws.effects.php.machine import Php, Stop
from propolis.flaws.effects.php.script import evaluate, php
from propolis.flaws.effects.php.values import Array, Value
from scenes import a_scope


@pytest.mark.parametrize(
    ("code", "out"),
    [
        ("bin2hex('ab')", "6162"),
        ("hex2bin('6162')", "ab"),
        ("base64_encode('ab')", "YWI="),
        ("base64_decode('YWI')", "ab"),
        ("crc32('a')", "3904355907"),
        ("hash('sha256', 'a')", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ("str_rot13('nop')", "abc"),
        ("substr('hello', 1, -1)", "ell"),
        ("substr('hello', -3)", "llo"),
        ("str_replace('a', 'b', 'aXa')", "bXb"),
        ("implode(',', explode(' ', 'a b c'))", "a,b,c"),
        ("sprintf('%s-%05d-%x-%c%%', 'a', 7, 255, 65)", "a-7-ff-A%"),
        ("urlencode('a b/')", "a+b%2F"),
        ("urldecode('a+b%2f')", "a b/"),
        ("json_encode('a/b')", '"a\\/b"'),
        ("htmlspecialchars('<')", "&lt;"),
        ("gzinflate(base64_decode('S0xMSgYA'))", "aabc"),
        ("gzinflate('nonsense')", ""),
        ("php_uname('s')", "Linux"),
        ("file_get_contents('/etc/timezone')", "Etc/UTC\n"),
        ("intval('12ab')", "12"),
        ("exec('echo a; echo b')", "b"),
        ("shell_exec('echo a')", "a\n"),
        ("print_r(array('a' => 1), 1)", "Array\n(\n    [a] => 1\n)\n"),
        ("date('Y-m-d')", "2023-11-14"),
        ("get_current_user()", "www-data"),
    ],
)
def test_a_function_gives(code: str, out: str) -> None:
    assert php(a_scope(), f"echo {code};".encode()).decode("latin-1") == out


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_takes_any_values(name: str) -> None:
    array = Array()
    array.add("k", "v")
    choices: list[list[Value]] = [
        [],
        [""],
        ["a", "b", "c"],
        [-1, 10**18, "x"],
        [None, None, None],
        [array, array, array],
    ]
    for values in choices:
        try:
            FUNCTIONS[name](Php(a_scope(), evaluate), list(values))
        except (Stop, ArithmeticError, IndexError, KeyError, TypeError, ValueError):
            continue  # what a script ends with


def test_constants_are_there() -> None:
    for constant in LANGUAGE.values():
        constant(Php(a_scope(), evaluate))
