from lures.redis.real import answer, answers


def test_a_list_is_pushed_and_popped() -> None:
    assert answers("RPUSH l a b c", "LPOP l", "RPOP l", "LLEN l") == [
        b":3\r\n",
        b"$1\r\na\r\n",
        b"$1\r\nc\r\n",
        b":1\r\n",
    ]


def test_sets_of_integers_are_sorted() -> None:
    assert answer("SADD s 10 9 1", "SMEMBERS s") == b"*3\r\n$1\r\n1\r\n$1\r\n9\r\n$2\r\n10\r\n"
    assert answer("SADD s b a", "SMEMBERS s") == b"*2\r\n$1\r\nb\r\n$1\r\na\r\n"


def test_a_hash_is_a_map_in_resp3() -> None:
    assert answer("HELLO 3", "HSET h a 1", "HGETALL h") == b"%1\r\n$1\r\na\r\n$1\r\n1\r\n"


def test_what_blocks_says_nothing() -> None:
    assert answer("BLPOP none 0") == b""
    assert answer("RPUSH l a", "BLPOP l 0") == b"*2\r\n$1\r\nl\r\n$1\r\na\r\n"
