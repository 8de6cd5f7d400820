from lures.redis.real import answer, answers


def test_settings_change_for_the_visitor_alone() -> None:
    assert b"/tmp" in answer("CONFIG SET dir /tmp", "CONFIG GET dir")
    assert b"/var/lib/redis" in answer("CONFIG GET dir")


def test_settings_are_checked() -> None:
    prefix = b"-ERR CONFIG SET failed (possibly related to argument '"
    assert (
        answer("CONFIG SET port 99999")
        == prefix + b"port') - argument must be between 0 and 65535 inclusive\r\n"
    )
    assert answer("CONFIG SET databases 3") == prefix + b"databases') - can't set immutable config\r\n"
    assert answer("CONFIG SET maxmemory 1gb", "CONFIG GET maxmemory").endswith(b"\r\n1073741824\r\n")


def test_old_names_are_the_same_setting() -> None:
    assert answer("CONFIG SET slave-read-only no", "CONFIG GET replica-read-only").endswith(b"$2\r\nno\r\n")
    assert answer("CONFIG SET replica-read-only no", "SLAVEOF 192.0.2.9 1", "SET a 1") == b"+OK\r\n"


def test_a_replica_takes_no_writes() -> None:
    said = answers("SLAVEOF 192.0.2.9 6379", "SET a 1", "ROLE", "SLAVEOF NO ONE", "SET a 1")
    assert said[1] == b"-READONLY You can't write against a read only replica.\r\n"
    assert said[2].startswith(b"*5\r\n$5\r\nslave\r\n$9\r\n192.0.2.9\r\n:6379\r\n")
    assert said[4] == b"+OK\r\n"


def test_folders_are_a_debian_hosts() -> None:
    for folder in (
        "/var/spool/cron",
        "/var/spool/cron/crontabs",
        "/root/.ssh",
        "/etc/cron.d",
        "/var/www/html",
        "/tmp",
    ):
        assert answer(f"CONFIG SET dir {folder}") == b"+OK\r\n"
    assert answer("CONFIG SET dir /work").endswith(b"No such file or directory\r\n")


def test_saving_is_remembered() -> None:
    first, saved, last = answers("LASTSAVE", "SAVE", "LASTSAVE")
    assert saved == b"+OK\r\n"
    assert int(last[1:]) > int(first[1:])


def test_a_replica_is_promised_a_copy() -> None:
    assert answer("PSYNC ? -1").startswith(b"+FULLRESYNC ")
    assert answer("REPLCONF listening-port 6380") == b"+OK\r\n"


def test_nothing_is_slow() -> None:
    assert answer("SLOWLOG GET") == b"*0\r\n"
    assert answer("SLOWLOG LEN") == b":0\r\n"
    assert answer("SLOWLOG GET -2").startswith(b"-ERR count")
