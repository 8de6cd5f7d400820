import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.flaws.effects.shell import shell
from propolis.flaws.scene import Scope
from scenes import a_scene, a_scope

ID = b"uid=33(www-data) gid=33(www-data) groups=33(www-data)\n"


@pytest.mark.parametrize(
    ("command", "out"),
    [
        (b"id", ID),
        (b"echo x|md5sum", b"401b30e3b8b5d629635a5c613cdb7919  -\n"),
        (b"nosuch", b"sh: 1: nosuch: not found\n"),
        (b"pwd;whoami", b"/var/www/html\nwww-data\n"),
        (b"curl -s http://a.example/", b""),
        (b"\xff", b"sh: 1: \xff: not found\n"),
        (b"i\0d", ID),
    ],
)
def test_the_web_servers_user_runs_it(command: bytes, out: bytes) -> None:
    assert shell(a_scope(), command) == out


def test_what_is_written_is_there_for_the_next_request() -> None:
    scope = a_scope()
    shell(scope, b"echo '<?php echo 1;' > shell.php; id > /tmp/x")
    later = Scope(scope.flaw, scope.request, scope.scene, {}, scope.session)
    assert shell(later, b"cat shell.php; cat /tmp/x") == b"<?php echo 1;\n" + ID
    assert scope.session.uploaded(b"/var/www/html/shell.php") == b"<?php echo 1;\n"


def test_a_device_runs_it_as_root() -> None:
    scope = a_scope()
    scope.scene = a_scene(server="goahead")
    assert shell(scope, b"id") == b"uid=0(root) gid=0(root) groups=0(root)\n"
    assert shell(scope, b"cat /etc/shadow").startswith(b"root:$6$")


def test_it_is_told_of_the_machine_of_the_scene() -> None:
    scope = a_scope()
    assert shell(scope, b"uname -a") == scope.scene.machine.uname.encode() + b"\n"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_survived(command: bytes) -> None:
    assert len(shell(a_scope(), command)) < 1_000_000
