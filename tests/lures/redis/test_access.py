from lures.redis.real import answer


def test_the_default_user_may_do_everything() -> None:
    assert answer("ACL WHOAMI") == b"$7\r\ndefault\r\n"
    assert b"$6\r\nnopass\r\n" in answer("ACL GETUSER default")
    assert answer("ACL GETUSER root") == b"$-1\r\n"


def test_a_category_lists_its_commands() -> None:
    assert answer("ACL CAT keyspace").startswith(b"*34\r\n")
    assert answer("ACL CAT nope") == b"-ERR Unknown category 'nope'\r\n"


def test_passwords_have_the_length_asked_for() -> None:
    assert answer("ACL GENPASS").startswith(b"$64\r\n")
    assert answer("ACL GENPASS 10").startswith(b"$3\r\n")
    assert answer("ACL GENPASS 0").startswith(b"-ERR ACL GENPASS")
