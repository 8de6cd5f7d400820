from lures.redis.real import answer, answers


def test_members_come_by_score() -> None:
    assert (
        answer("ZADD z 2 b 1 a", "ZRANGE z 0 -1 WITHSCORES")
        == b"*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"
    )


def test_scores_are_doubles_in_resp3() -> None:
    assert answer("HELLO 3", "ZADD z 2.5 b", "ZSCORE z b") == b",2.5\r\n"
    assert answer("HELLO 3", "ZADD z 2.5 b", "ZRANGE z 0 -1 WITHSCORES") == b"*1\r\n*2\r\n$1\r\nb\r\n,2.5\r\n"


def test_options_choose_what_is_taken() -> None:
    assert answers("ZADD z 5 a", "ZADD z GT CH 1 a", "ZADD z LT CH 1 a", "ZADD z NX CH 9 a")[1:] == [
        b":0\r\n",
        b":1\r\n",
        b":0\r\n",
    ]
    assert answer("ZADD z inf a", "ZINCRBY z -inf a") == b"-ERR resulting score is not a number (NaN)\r\n"
