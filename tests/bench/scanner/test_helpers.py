import random

import pytest
from bench.scanner.expression import evaluate, parse
from bench.scanner.helpers import helpers
from bench.scanner.text import Value

NOW = 1_700_000_000.0
TABLE = helpers(random.Random(7), now=lambda: NOW, wait=lambda _: None)


def value(text: str) -> Value:
    return evaluate(parse(text), {}, TABLE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("base64('Hello')", "SGVsbG8="),
        ("base64(1234)", "MTIzNA=="),
        ("base64_py('Hello')", "SGVsbG8=\n"),
        ("base64_decode('SGVsbG8=')", "Hello"),
        ("compare_versions('v1.0.0', '>v0.0.1', '<v1.0.1')", True),
        ("compare_versions('2.4.49', '< 2.4.49')", False),
        ("compare_versions('1.2.9', '~> 1.2.3')", True),
        ("concat('Hello', 'world')", "Helloworld"),
        ("contains('Hello', 'lo')", True),
        ("contains_all('Hello everyone', 'lo', 'every')", True),
        ("contains_any('Hello everyone', 'abc', 'llo')", True),
        ("date_time('%Y-%M-%D')", "2023-11-14"),
        ("date_time('02-01-2006 15:04')", "14-11-2023 22:13"),
        ("dec_to_hex(11111)", "2b67"),
        ("gzip_decode(gzip('Hello'))", "Hello"),
        ("zlib_decode(zlib('Hello'))", "Hello"),
        ("inflate(deflate('Hello'))", "Hello"),
        ("hex_decode('6161')", "aa"),
        ("hex_encode('aa')", "6161"),
        ("hmac('sha1', 'test', 'scrt')", "8856b111056d946d5c6c92a21b43c233596623c6"),
        ("html_escape('<body>')", "&lt;body&gt;"),
        ("html_unescape('&lt;body&gt;')", "<body>"),
        ("join('_', 'Hello', 'world')", "Hello_world"),
        ("join(',', split('a-b', '-'))", "a,b"),
        ("len('Hello')", 5.0),
        ("md5('Hello')", "8b1a9953c4611296a827abf8c47804d7"),
        ("mmh3('Hello')", "316307400"),
        ("remove_bad_chars('abcd', 'bc')", "ad"),
        ("repeat('a', 5)", "aaaaa"),
        ("replace('Hello', 'He', 'Ha')", "Hallo"),
        ("replace_regex('He123llo', '(\\\\d+)', '')", "Hello"),
        ("reverse('abc')", "cba"),
        ("sha1('Hello')", "f7ff9e8b7bb2e09b70935a5d785e0cc5d9d0abf0"),
        ("to_lower('HELLO')", "hello"),
        ("tolower('HELLO')", "hello"),
        ("to_upper('hello')", "HELLO"),
        ("trim('aaaHelloddd', 'ad')", "Hello"),
        ("trim_space('  Hello  ')", "Hello"),
        ("trim_prefix('aaHelloaa', 'aa')", "Helloaa"),
        ("url_encode('a b&c/d')", "a+b%26c%2Fd"),
        ("url_decode('a+b%26c')", "a b&c"),
        ("unix_time(10)", NOW + 10),
        ("to_unix_time('2022-01-13 16:30:10')", 1_642_091_410.0),
        ("substr('Hello', 1, 3)", "el"),
        ("padding('A', 'b', 4, 'suffix')", "Abbb"),
        ("regex('(?i)H([a-z]+)o', 'Hello')", True),
        ("starts_with('Hello', 'He')", True),
        ("line_starts_with('Hi\nHello', 'He')", True),
        ("index('Hello', 1)", "e"),
        ("uniq('abcabdaa')", "abcd"),
        ("sort('a1b2c3d4e5')", "12345abcde"),
        ("xor('abc', 'abc')", "\0\0\0"),
        ("to_number('7') * to_number('6')", 42.0),
        ("hex_to_dec('ff')", 255.0),
        ("generate_jwt('{\"a\": 1}', '')", "eyJhbGciOiJOT05FIiwidHlwIjoiSldUIn0.eyJhIjoxfQ."),
    ],
)
def test_a_helper_does_what_the_reference_says(text: str, expected: Value) -> None:
    assert value(text) == expected


def test_random_helpers_stay_within_their_alphabet_and_length() -> None:
    assert len(str(value("rand_base(5)"))) == 5
    assert set(str(value("rand_base(9, 'ab')"))) <= set("ab")
    assert str(value("rand_text_alpha(6)")).isalpha()
    assert str(value("rand_text_numeric(6)")).isdigit()
    number = value("rand_int(10, 12)")
    assert isinstance(number, float)
    assert 10 <= number < 12
    assert str(value("rand_ip('192.0.2.0/24')")).startswith("192.0.2.")


def test_a_zip_holds_what_was_put_in() -> None:
    assert str(value("zip('a.txt', 'Hello')")).startswith("PK\x03\x04")
