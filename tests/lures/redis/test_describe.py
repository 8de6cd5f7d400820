from lures.redis.real import answer


def test_the_table_is_the_recorded_one() -> None:
    assert answer("COMMAND COUNT") == b":240\r\n"
    assert answer("COMMAND").startswith(b"*240\r\n*10\r\n")
    assert answer("HELLO 3", "COMMAND DOCS").startswith(b"%240\r\n")
    assert answer("COMMAND LIST").startswith(b"*240\r\n")


def test_one_command_is_described() -> None:
    assert answer("COMMAND INFO get").startswith(
        b"*1\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n"
    )
    assert answer("COMMAND DOCS nope") == b"*0\r\n"


def test_keys_are_picked_out() -> None:
    assert answer("COMMAND GETKEYS mset a 1 b 2") == b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"
