import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.flaws.effects.calculate import calculate
from scenes import a_scene, a_scope

ID = b"uid=33(www-data) gid=33(www-data) groups=33(www-data)\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"a{{7*7}}b", b"a49b"),
        (b"{{7*'7'}}", b"7777777"),
        (b"${7*7} #{3+4} %{2*3} <%= 7*7 %> {7*7} @(1+2) *{5*5}", b"49 7 6 49 49 3 25"),
        (b"{{'abc'|upper}}", b"ABC"),
        (b'${"x".concat("y")}', b"xy"),
        (b"#set($x=7*7)${x} $x", b"49 49"),
        (b"${{7*7}}", b"49"),
        (b"[[${7*7}]]", b"49"),
        (b"__${7*7}__::.x", b"__49__::.x"),
        (b"{%print(7*7)%}", b"49"),
        (b"7*7", b"49"),
        (b"{{7*7", b"{{7*7"),
        (b'{"a": 1}', b'{"a": 1}'),
        (b"hello {name}", b"hello {name}"),
        (b"{{request.application}}", b"{{request.application}}"),
        (b"{{constructor.constructor('return 7*7')()}}", b"49"),
        (b"${T(java.lang.Runtime).getRuntime().exec('id')}", ID),
        (b"{{['id']|filter('system')}}", ID),
        (b"{{_self.env.registerUndefinedFilterCallback('exec')}}{{_self.env.getFilter('id')}}", ID),
        (b'T(java.lang.Runtime).getRuntime().exec(new String[]{"/bin/sh","-c","id"})', ID),
        (b'<% out.println("x" + 1); %>', b"x1"),
        (b'<%@ Page Language="C#" %>', b""),
        (b"<%= File.open('/etc/timezone').read %>", b"Etc/UTC\n"),
    ],
)
def test_an_expression_becomes_its_value(text: bytes, shown: bytes) -> None:
    assert calculate(a_scope(), text) == shown


@pytest.mark.parametrize(
    ("engine", "product", "quotient"),
    [
        (b"jinja2", b"7777777", b"3.5"),
        (b"twig", b"49", b"3.5"),
        (b"freemarker", b"49", b"3"),
        (b"erb", b"7777777", b"3"),
    ],
)
def test_each_engine_has_its_arithmetic(engine: bytes, product: bytes, quotient: bytes) -> None:
    assert calculate(a_scope(), b"{{'7'*7}}", engine) == product
    assert calculate(a_scope(), b"{{7/2}}", engine) == quotient


def test_windows_has_its_own_commands() -> None:
    scope = a_scope()
    scope.scene = a_scene(server="iis")
    assert calculate(scope, b"${exec('whoami')}") == b"iis apppool\\defaultapppool\r\n"


def test_commands_of_one_text_are_few() -> None:
    assert calculate(a_scope(), b"${exec('id')}" * 20).count(b"uid=") == 4


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=6),
            st.sampled_from(
                [
                    "{{",
                    "}}",
                    "${",
                    "}",
                    "7",
                    "*",
                    "'7'",
                    "(",
                    ")",
                    "|",
                    ".",
                    "exec",
                    "#set(",
                    "<%=",
                    "%>",
                    "[",
                ]
            ),
        ),
        max_size=20,
    ).map("".join)
)
def test_any_text_is_survived(text: str) -> None:
    calculate(a_scope(), text.encode("utf-8", "replace"))
