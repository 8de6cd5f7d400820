import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.flaws.effects.windows import MAX_OUTPUT, cmd
from propolis.flaws.scene import Scope
from scenes import a_scene, a_scope


@pytest.fixture
def scope() -> Scope:
    made = a_scope()
    made.scene = a_scene(server="iis")
    return made


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("whoami", "iis apppool\\defaultapppool\r\n"),
        ("who^ami", "iis apppool\\defaultapppool\r\n"),
        (r"c:\windows\system32\whoami.exe", "iis apppool\\defaultapppool\r\n"),
        ("echo %USERNAME% %OS%", "defaultapppool Windows_NT\r\n"),
        ("set /a 7*7", "49"),
        ("cmd /c echo a&&echo b", "a\r\nb\r\n"),
        ("nosuch || echo no", "no\r\n"),
        ("nosuch && echo no", "not recognized"),
        ('type c:\\windows\\win.ini | find "fonts"', "[fonts]\r\n"),
        ("ver", "Microsoft Windows [Version 10.0."),
        ("powershell -nop -c whoami", "defaultapppool"),
        ("powershell -enc " + base64.b64encode("whoami".encode("utf-16-le")).decode(), "defaultapppool"),
        ("dir", " Directory of C:\\inetpub\\wwwroot\r\n"),
        ("ipconfig /all", "Physical Address"),
        ("type nosuch.txt", "cannot find the file"),
        ("whoami /priv", "SeImpersonatePrivilege"),
    ],
)
def test_the_console_answers(scope: Scope, command: str, said: str) -> None:
    assert said in cmd(scope, command.encode()).decode("latin-1")


def test_names_agree(scope: Scope) -> None:
    assert cmd(scope, b"hostname").decode() == f"{scope.scene.hostname}\r\n"
    assert scope.scene.hostname in cmd(scope, b"systeminfo").decode()
    assert scope.scene.machine.mac.upper().replace(":", "-") in cmd(scope, b"ipconfig /all").decode()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=8),
            st.sampled_from(["cmd /c ", "&", "|", "&&", '"', "^", "%OS%", "echo ", "find ", "set /a ", "("]),
        ),
        max_size=14,
    ).map("".join)
)
def test_any_line_is_survived(command: str) -> None:
    scope = a_scope()
    scope.scene = a_scene(server="iis")
    assert len(cmd(scope, command.encode("utf-8", "replace"))) <= MAX_OUTPUT
