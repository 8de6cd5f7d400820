import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.flaws.expression import expression
from propolis.flaws.functions import FUNCTIONS, basename
from propolis.flaws.scene import BudgetSpentError
from propolis.flaws.value import MAX_OUTPUT_BYTES, Value
from scenes import MINT, a_scope


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("md5('a')", hashlib.md5(b"a").hexdigest().encode()),
        ("sha256('a')", hashlib.sha256(b"a").hexdigest().encode()),
        ("crc32('a')", b"e8b7be43"),
        ("base64('ab')", b"YWI="),
        ("base64_url('\\xff\\xff')", b"__8"),
        ("base64_decode('YWI')", b"ab"),
        ("base64_decode('_-8=')", b"\xff\xef"),
        ("hex('ab')", b"6162"),
        ("hex_decode('6162')", b"ab"),
        ("hex_decode('xyz')", b""),
        ("url_encode('a b/')", b"a%20b%2F"),
        ("url_decode('a+b%2f')", b"a b/"),
        ("html_escape('<a\\'>')", b"&lt;a&#x27;&gt;"),
        ("html_unescape('&lt;&#65;')", b"<A"),
        ("upper('a') + lower('B')", b"Ab"),
        ("trim(' a ')", b"a"),
        ("reverse('abc')", b"cba"),
        ("replace('aba', 'a', 'c')", b"cbc"),
        ("split_at('a,b,c', ',', 1)", b"b"),
        ("split_at('a,b,c', ',', -1)", b"c"),
        ("split_at('a', ',', 9)", b""),
        ("slice('hello', 1, 3)", b"el"),
        ("repeat('ab', 2)", b"abab"),
        ("find('b(.)', 'abc')", b"c"),
        ("find('b.', 'abc')", b"bc"),
        ("find('(b)(.)', 'abc', 2)", b"c"),
        ("find('z', 'abc')", b""),
        ("find('(b)', 'abc', 7)", b""),
        ("date('http')", b"Tue, 14 Nov 2023 22:13:20 GMT"),
        ("date('%Y-%m-%d', -86400)", b"2023-11-13"),
        ("json('a\"\\n')", b'"a\\"\\n"'),
        ("json('\\xff')", b'"\\u00ff"'),
        ("str(7)", b"7"),
        ("len('abc')", 3),
        ("startswith('ab', 'a') and endswith('ab', 'b')", True),
        ("canary('nosuch')", b""),
        ("shell('echo hi')", b"hi\n"),
        ("cmd('echo hi')", b"hi\r\n"),
        ("php('echo 1+1;')", b"2"),
        ("calculate('{{7*7}}')", b"49"),
        ("calculate(\"{{7*'7'}}\", 'twig')", b"49"),
        ("sql('union select md5(1)')", hashlib.md5(b"1").hexdigest().encode()),
        ("sql_holds('1 and 1=2')", False),
        ("sleep('SLEEP(5)')", 5.0),
        ("slice(file('/etc/passwd'), 0, 5)", b"root:"),
    ],
)
def test_a_function_gives(source: str, result: Value) -> None:
    assert expression(source).value(a_scope()) == result


@pytest.mark.parametrize(("name", "alphabet"), [("digits", b"0123456789"), ("hexes", b"0123456789abcdef")])
def test_random_texts_are_of_their_alphabet(name: str, alphabet: bytes) -> None:
    drawn = expression(f"{name}(40)").value(a_scope())
    assert isinstance(drawn, bytes)
    assert len(drawn) == 40
    assert set(drawn) <= set(alphabet)


def test_a_canary_is_this_visitors() -> None:
    scope = a_scope()
    (found,) = MINT.find(expression("'x=' + canary('password')").value(scope) or b"")  # type: ignore[arg-type] # text
    assert found.source == scope.scene.source


def test_what_was_kept_is_fetched_as_what_it_prints() -> None:
    scope = a_scope()
    expression("keep('/up/x.php', '<?php echo 6*7;')").value(scope)
    expression("keep('/up/x.jsp', '<% out.println(\"j\" + 1); %>')").value(scope)
    expression("keep('/up/x.txt', '<?php')").value(scope)
    assert expression("uploaded('/other/x.php?y=1')").value(scope) == b"<?php echo 6*7;"
    assert [expression(f"fetched('/x.{kind}')").value(scope) for kind in ("php", "jsp", "txt", "none")] == [
        b"42",
        b"j1",
        b"<?php",
        b"",
    ]


def test_the_last_part_of_a_path() -> None:
    assert [basename(path) for path in (b"/a/b.c", b"a\\b", b"/a/?x=/y", b"")] == [b"b.c", b"b", b"a", b""]


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(max_examples=25, deadline=None)
@given(data=st.lists(st.one_of(st.binary(max_size=60), st.integers(-(10**9), 10**9)), min_size=8, max_size=8))
def test_any_values_are_taken(name: str, data: list[Value]) -> None:
    function = FUNCTIONS[name]
    for count in range(function.least, function.most + 1):
        values = data[:count]
        if function.is_pattern_first:
            values[0] = b"(a)|b"
        try:
            result = function.call(a_scope(), b"site", values)
        except BudgetSpentError:
            continue
        assert not isinstance(result, bytes) or len(result) <= 4 * MAX_OUTPUT_BYTES
