from propolis.flaws.effects.execute import execute
from scenes import a_scene, a_scope


def test_each_system_has_its_own_shell() -> None:
    scope = a_scope()
    assert execute(scope, b"whoami") == b"www-data\n"
    scope.scene = a_scene(server="iis")
    assert execute(scope, b"whoami") == b"iis apppool\\defaultapppool\r\n"
