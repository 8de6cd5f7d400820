import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.flaws.effects.injected import command_across, command_in, file_in


@pytest.mark.parametrize(
    ("code", "command"),
    [
        ('T(java.lang.Runtime).getRuntime().exec("id")', "id"),
        ('Runtime.getRuntime().exec(new String[]{"/bin/sh","-c","id;pwd"})', "id;pwd"),
        ('new ProcessBuilder(new String[]{"ls","-la"}).start()', "ls -la"),
        ('new java.lang.ProcessBuilder("cmd.exe","/c","whoami")', "whoami"),
        ("os.popen('id').read()", "id"),
        ("x['popen']('id').read()", "id"),
        ("subprocess.check_output(['cat','/etc/passwd'])", "cat /etc/passwd"),
        ("['id']|filter('system')", "id"),
        ("{0:'id'}|map('passthru')", "id"),
        ('"freemarker.template.utility.Execute"?new()("id")', "id"),
        ("require('child_process').execSync('id').toString()", "id"),
        ("`id`", "id"),
        ("%x(id)", "id"),
        ("'id'.execute().text", "id"),
        ("exec(T(java.lang.Character).toString(105).concat(T(java.lang.Character).toString(100)))", "id"),
        ('exec("i"+"d")', "id"),
        (r"exec(\"x\")", None),
        ("7*7", None),
    ],
)
def test_the_command_is_found(code: str, command: str | None) -> None:
    assert command_in(code) == command


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("{{_self.env.registerUndefinedFilterCallback('exec')}}{{_self.env.getFilter('id')}}", "id"),
        ('<#assign ex="freemarker.template.utility.Execute"?new()>${ex("id")}', "id"),
        ("#set($x=$y.getRuntime().exec('id'))$x.waitFor()", "id"),
        ("{{7*7}}", None),
    ],
)
def test_it_is_found_across_expressions(text: str, command: str | None) -> None:
    assert command_across(text) == command


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ("open('/etc/passwd').read()", "/etc/passwd"),
        ("File.open('/etc/passwd').read", "/etc/passwd"),
        ("new java.io.FileReader('/etc/passwd')", "/etc/passwd"),
        ("fs.readFileSync('/etc/passwd')", "/etc/passwd"),
        ("open(x)", None),
    ],
)
def test_the_file_is_found(code: str, path: str | None) -> None:
    assert file_in(code) == path


@given(st.text(alphabet="exec(\"'\\[]{}`|%id,+)", max_size=80))
def test_any_code_is_survived(code: str) -> None:
    command_in(code)
    command_across(code)
    file_in(code)
