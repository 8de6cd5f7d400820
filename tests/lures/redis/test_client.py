from lures.redis.real import answer, answers
from propolis.lures.redis.session import CHANNEL_BYTES, CHANNELS_MAX


def test_a_client_sees_itself() -> None:
    told = answer("CLIENT SETNAME me", "CLIENT LIST")
    assert b" addr=198.51.100.7:40000 laddr=192.0.2.1:0 " in told
    assert b" name=me " in told
    assert b" qbuf=13 qbuf-free=20461 argv-mem=10 " in told


def test_a_password_that_was_set_is_asked_for() -> None:
    said = answers("CONFIG SET requirepass s3cret", "RESET", "PING", "AUTH no", "AUTH s3cret", "PING")
    assert said[2] == b"-NOAUTH Authentication required.\r\n"
    assert said[3].startswith(b"-WRONGPASS")
    assert said[4:] == [b"+OK\r\n", b"+PONG\r\n"]


def test_channels_are_bounded() -> None:
    channels = " ".join(f"c{number}" for number in range(CHANNELS_MAX + 5))
    assert answer(f"SUBSCRIBE {channels}").startswith(b"-OOM")
    assert answer(f"SUBSCRIBE {'x' * (CHANNEL_BYTES + 1)}").startswith(b"-OOM")


def test_a_monitor_sees_its_own_commands() -> None:
    said = answers("MONITOR", "PING", "GET a", "AUTH x y")
    assert said[1].startswith(b"+PONG\r\n+")
    assert said[1].endswith(b' [0 198.51.100.7:40000] "PING"\r\n')
    assert said[2] == b"-ERR Replica can't interact with the keyspace\r\n"
    assert said[3].startswith(b"-WRONGPASS")


def test_the_protocol_changes_when_it_is_asked() -> None:
    assert answer("HELLO 3").startswith(b"%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n")
    assert answer("HELLO 3", "RESET", "GET a") == b"$-1\r\n"
