"""PHP's output, as PHP gives it."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.flaws.effects.php import php
from propolis.flaws.effects.php.machine import MAX_OUTPUT
from scenes import a_scope

ID = "uid=33(www-data) gid=33(www-data) groups=33(www-data)\n"
REQUEST = b"POST /x.php?cmd=id HTTP/1.1\r\nHost: h\r\nX-Run: pwd\r\nCookie: c=whoami\r\n\r\ncode=echo+7%3B"


@pytest.mark.parametrize(
    ("code", "out"),
    [
        ("echo md5('x');", hashlib.md5(b"x").hexdigest()),
        ("<?php print(1+2); system('id');", "3" + ID),
        ("<p><?php echo 'a'.'b'.(3*4); ?>\n</p>", "<p>ab12</p>"),
        ("<?=7*7?>", "49"),
        ("GIF89a<?php echo 111*111;?>", "GIF89a12321"),
        ("<?php system($_GET['cmd']);", ID),
        ("<?php eval($_POST['code']);", "7"),
        ("<?php echo `{$_SERVER['HTTP_X_RUN']}`;", "/var/www/html\n"),
        ("<?php passthru($_REQUEST['c']);", "www-data\n"),
        ("<?php @eval(base64_decode('ZWNobyAxMjM7'));", "123"),
        ("die(md5(1)); echo 2;", hashlib.md5(b"1").hexdigest()),
        ("exit(7);", ""),
        ("echo strrev('cba').chr(65).strtoupper('x');", "abcAX"),
        ("$f = 'sys'.'tem'; $f('id');", ID),
        ("(sys.tem)('id');", ID),
        ("call_user_func('system', 'id');", ID),
        ("$x = 'y'; $x .= 'z'; echo \"v=$x {$x} \\x41\";", "v=yz yz A"),
        ("if (1 > 2) { echo 'a'; } elseif (0) echo 'b'; else { echo 'c'; }", "c"),
        ("echo 1 ? 'a' : 'b', 10/4, 2**10, 7 % 4, '5' + 2;", "a2.5102437"),
        ("echo 'a' == 'a' && !false || 0;", "1"),
        ("echo null ?? 'd', $none ?: 'e';", "de"),
        ("echo ('a' ^ 'C') . ~\"\\xff\";", '"\0'),
        ("var_dump(1, 1.5, true, null, 'a');", 'int(1)\nfloat(1.5)\nbool(true)\nNULL\nstring(1) "a"\n'),
        ("$a = array('k' => 2, 3); echo $a['k'], $a[0], count($a), implode('-', $a);", "2322-3"),
        ("function_exists('x') or print 'no';", "no"),
        ("assert('print(1)');", "1"),
        ("echo 1; nosuchfunction(); echo 2;", "1"),
        ("echo 1; $$$; echo 2;", "1"),
        ("echo 'x", ""),
        ("// c\n# d\n/* e */ echo 'ok' ; return; echo 'no';", "ok"),
        ("eval('return 5;'); echo eval('return 6;');", "6"),
        ("unlink(__FILE__); echo basename;", "basename"),
        ("echo PHP_OS, PHP_EOL;", "Linux\n"),
        ("plain text", ""),
        ("<h1>plain</h1><? echo 1 ?>", "<h1>plain</h1>1"),
    ],
)
def test_a_script_prints(code: str, out: str) -> None:
    assert php(a_scope(REQUEST), code.encode()).decode("latin-1") == out


def test_phpinfo_has_its_structure() -> None:
    scope = a_scope()
    page = php(scope, b"<?php phpinfo();").decode()
    assert "<title>PHP 8.2.20 - phpinfo()</title>" in page
    assert f'<tr><td class="e">System </td><td class="v">Linux {scope.scene.machine.name} ' in page


def test_output_and_work_are_bounded() -> None:
    code = "$a = str_repeat('x', 65536); " + "echo $a;" * 99
    assert len(php(a_scope(), code.encode())) <= MAX_OUTPUT
    nested = "eval('" * 30 + "echo 1;" + "');" * 30
    php(a_scope(), nested.encode())
    php(a_scope(), b"echo " + b"(" * 5_000 + b"1")
    php(a_scope(), b"if(1)" * 5_000 + b"echo 1;")
    php(a_scope(), b"echo 1" + b".1" * 30_000 + b";")
    assert php(a_scope(), b"<?php $x='eval($x);'; eval($x);") == b""


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    "<?php",
                    "?>",
                    "echo",
                    "1",
                    "'a'",
                    '"$x"',
                    ".",
                    "+",
                    "-",
                    "(",
                    ")",
                    "[",
                    "]",
                    "{",
                    "}",
                    ";",
                    ",",
                ),
                *(
                    "$x",
                    "=",
                    "=>",
                    "->",
                    "::",
                    "?",
                    ":",
                    "!",
                    "~",
                    "@",
                    "if",
                    "else",
                    "return",
                    "die",
                    "system",
                ),
                *("`id`", "^", "**", "%", "md5("),
            ]
        ),
        max_size=18,
    ).map(" ".join)
)
def test_any_script_is_survived(code: str) -> None:
    php(a_scope(), code.encode())
