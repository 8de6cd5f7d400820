from propolis.flaws.effects.machine import machine_of
from scenes import a_scene, a_scope


def test_the_machine_is_the_scenes_with_what_was_uploaded() -> None:
    scope = a_scope()
    scope.session.upload(b"x.txt", b"up\xff")
    machine = machine_of(scope)
    assert (machine.user, machine.number, machine.folder) == ("www-data", 33, "/var/www/html")
    assert machine.text_of("/var/www/html/x.txt") == "up\udcff"
    assert machine.has_program("wget")


def test_an_account_that_is_not_listed_is_added() -> None:
    scope = a_scope()
    scope.scene = a_scene(server="tomcat")
    assert "tomcat:x:998:998:" in (machine_of(scope).text_of("/etc/passwd") or "")
