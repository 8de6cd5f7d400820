from propolis.flaws.effects.php.script import php
from scenes import a_scope


def test_arrays_are_dumped_and_printed() -> None:
    dumped = 'array(2) {\n  [0]=>\n  int(1)\n  ["k"]=>\n  array(1) {\n    [0]=>\n    string(1) "a"\n  }\n}\n'
    assert php(a_scope(), b"var_dump([1, 'k' => ['a']]);").decode() == dumped
    printed = "Array\n(\n    [0] => 1\n    [k] => Array\n        (\n            [0] => a\n        )\n\n)\n"
    assert php(a_scope(), b"print_r([1, 'k' => ['a']]);").decode() == printed


def test_printf_takes_what_there_is() -> None:
    assert php(a_scope(), b"printf('%s %s %d', 'a');") == b"a  0"
