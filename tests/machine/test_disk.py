from propolis.machine.disk import DEFAULT, load


def test_a_recorded_disk_has_users_and_programs() -> None:
    disk = load()
    assert disk.files["/etc/passwd"].startswith("root:x:0:0:")
    assert "ls" in disk.commands
    assert "etc" in disk.listings["/"]


def test_a_name_without_a_disk_has_the_default_one() -> None:
    assert load("../x") == load("nosuch") == load(DEFAULT)
