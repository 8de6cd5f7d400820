from propolis.flaws.effects.php.page import VERSION, phpinfo
from scenes import a_scene, a_scope


def test_the_page_tells_of_the_persona_and_echoes_safely() -> None:
    scope = a_scope(b"GET /<script> HTTP/1.1\r\nHost: h\r\nUser-Agent: <b>\r\n\r\n")
    page = phpinfo(scope)
    assert f'<h1 class="p">PHP Version {VERSION}</h1>' in page
    assert scope.scene.machine.kernel in page
    assert "<b>" not in page
    assert "<script>" not in page
    scope.scene = a_scene(server="iis")
    assert f"Windows NT {scope.scene.hostname}" in phpinfo(scope)
