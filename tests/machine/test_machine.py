from propolis.lures.ssh.persona import load
from propolis.machine.host import host_of
from propolis.machine.machine import MAX_FILE_CHARS, MAX_FILES, MAX_VARIABLES, Machine


def machine() -> Machine:
    return Machine(load("debian12"), host_of(b"s"), "root")


def test_recorded_files_are_there_and_can_be_added_to() -> None:
    here = machine()
    here.write("/etc/issue", "more\n", is_append=True)
    text = here.text_of("/etc/issue")
    assert text
    assert text.startswith("Debian GNU/Linux 12")
    assert text.endswith("more\n")


def test_paths_are_resolved_from_where_one_is() -> None:
    here = machine()
    here.folder = "/etc/ssh"
    assert [here.resolve(path) for path in ("../x", "/a//b/.", "~/c", ".")] == [
        "/etc/x",
        "/a/b",
        f"{here.home}/c",
        "/etc/ssh",
    ]


def test_everything_that_grows_is_bounded() -> None:
    here = machine()
    for number in range(999):
        here.write(f"/tmp/{number}", "x" * 99_999, is_append=False)
        here.make_folder(f"/tmp/f{number}")
        here.set_value(f"v{number}", "x" * 99_999)
    assert len(here._files) <= MAX_FILES
    assert len(here._folders) <= MAX_FILES
    assert len(here._variables) <= MAX_VARIABLES
    assert max(map(len, here._files.values())) <= MAX_FILE_CHARS


def test_what_was_removed_is_gone() -> None:
    here = machine()
    here.write("/tmp/x", "", is_append=False)
    assert here.remove("/tmp/x")
    assert not here.remove("/tmp/x")
    assert here.names_in("/tmp") == []


def test_a_web_servers_user_is_the_listed_one() -> None:
    here = Machine(load("debian12"), host_of(b"s"), "www-data", folder="/var/www/html")
    assert (here.number, here.home, here.folder) == (33, "/var/www", "/var/www/html")


def test_a_pattern_stands_for_paths_or_itself() -> None:
    here = machine()
    here.write("/tmp/ab", "", is_append=False)
    here.folder = "/tmp"
    assert here.glob("a?") == ["ab"]
    assert here.glob("/et?/hos*s") == ["/etc/hosts"]
    assert here.glob("zz*") == ["zz*"]
    assert here.glob("/" + "*/" * 40) == ["/" + "*/" * 40]


def test_what_is_written_can_be_taken_away() -> None:
    here = machine()
    here.write("/tmp/x", "y", is_append=False)
    assert here.written == {"/tmp/x": "y"}
