from lures.serve import visit
from propolis.lures.telnet.persona import host
from propolis.lures.telnet.session import FILE_BYTES, FILES, Files, Session
from propolis.machine.host import host_of


def test_files_are_bounded_in_number_and_size() -> None:
    files = Files(host("", host_of(b"s")))
    for number in range(FILES * 2):
        files.write(f"/tmp/{number}", "x" * FILE_BYTES)
        files.write(f"/tmp/{number}", "y", append=True)
    assert files.read("/tmp/0") == "x" * FILE_BYTES
    assert files.read(f"/tmp/{FILES}") is None
    files.make_folder("/tmp/more")
    assert not files.is_folder("/tmp/more")


def test_paths_and_folders() -> None:
    files = Files(host("", host_of(b"s")))
    assert files.path("../../../x/./y") == "/x/y"
    assert files.may_write("a")
    assert not files.may_write("/proc/a")
    assert not files.may_write("/nowhere/a")
    assert not files.may_write("/tmp")
    files.make_folder("/tmp/d")
    files.write("/tmp/d/f", "1")
    assert files.names_in("/tmp") == ["d"]
    assert files.names_in("/tmp/d") == ["f"]


def test_only_own_files_change() -> None:
    files = Files(host("", host_of(b"s")))
    assert not files.remove("/etc/passwd")
    assert files.is_runnable("/etc/passwd") is None
    files.write("a", "")
    assert files.is_runnable("a") is False
    files.make_runnable("a")
    assert files.is_runnable("/root/a") is True
    assert (files.read("/bin/busybox") or "").startswith("\x7fELF")


def test_a_session_remembers_its_status() -> None:
    session = Session(host("", host_of(b"s")), visit())
    assert session.fail("no", 3) == ""
    assert session.complaints == "no\n"
    assert session.status == 3
    assert session.name == "-sh"
