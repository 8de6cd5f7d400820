import re
import socket
from pathlib import Path

import pytest

from installation import Installation, until
from lure_files import write_lure
from propolis.flaws import signature
from propolis.stream import Stream, connect, folder

pytestmark = pytest.mark.xdist_group("installation")

TOOK = re.compile(r"^  edge\.0  live after (\d+) ms$", re.MULTILINE)


def ask(installation: Installation, path: str) -> bytes:
    port = installation.config.lures["http"].ports[0]
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(4096), b""))


def hits(installation: Installation, name: str) -> int:
    rows = {row["id"]: row for row in installation.json("lures", "list")["lures"]}
    return int(rows[name]["hits"])


def test_a_lure_answers_as_soon_as_push_returns_and_until_it_is_taken_back(
    installation: Installation, tmp_path: Path
) -> None:
    path = write_lure(tmp_path, "push-me")
    assert b" 404 " in ask(installation, "/push-me/run?cmd=id").splitlines()[0]
    words = installation.say("lures", "push", str(path))
    assert words.startswith("push-me version 1: new\n")
    assert TOOK.search(words)
    assert ask(installation, "/push-me/run?cmd=id").endswith(b"\r\n\r\nbuzz")
    assert until(lambda: hits(installation, "push-me") >= 1)
    write_lure(tmp_path, "push-me", "hum")
    installation.say("lures", "push", str(tmp_path))
    assert ask(installation, "/push-me/run?cmd=id").endswith(b"\r\n\r\nhum")
    assert "push-me version 3: again version 1" in installation.say("lures", "rollback", "push-me")
    assert ask(installation, "/push-me/run?cmd=id").endswith(b"\r\n\r\nbuzz")
    assert "push-me version 4: withdrawn" in installation.say("lures", "rollback", "push-me")
    assert b" 404 " in ask(installation, "/push-me/run?cmd=id").splitlines()[0]
    assert "nothing that was pushed is live" in installation.mistake("lures", "rollback", "push-me")
    log = (installation.config.state / "propolis.log").read_text()
    assert re.search(r"LureLive .*id=push-me .*version=1", log)
    assert re.search(r"LureRolledBack .*id=push-me .*version=4", log)


def test_a_file_that_is_not_good_is_not_pushed(installation: Installation, tmp_path: Path) -> None:
    write_lure(tmp_path, "good")
    write_lure(tmp_path, "bad", proof="another word")
    done = installation.run("lures", "push", str(tmp_path))
    assert done.returncode == 1
    assert "bad.yaml:15: " in done.stderr
    assert "Nothing was pushed." in done.stderr
    assert {"good", "bad"}.isdisjoint(row["id"] for row in installation.json("lures", "list")["lures"])


def test_a_lure_signed_by_a_stranger_is_refused_by_every_sensor(
    installation: Installation, tmp_path: Path
) -> None:
    signature.make_key(tmp_path / "stranger.pem")
    settings = installation.path.read_text()
    path = write_lure(tmp_path, "strange")
    installation.path.write_text(f'{settings}[flaws]\nkey = "{tmp_path}/stranger.pem"\n')
    try:
        done = installation.run("lures", "push", str(path))
    finally:
        installation.path.write_text(settings)
    assert done.returncode == 1
    assert "edge.0  refused 1 after" in done.stdout
    assert "which is not trusted; name its public key in flaws.trusted" in done.stdout
    assert b" 404 " in ask(installation, "/strange/run?cmd=id").splitlines()[0]
    assert "refused strange: " in installation.say("lures", "list")


async def test_a_lure_that_was_tampered_with_on_the_stream_is_refused(
    installation: Installation, tmp_path: Path
) -> None:
    path = write_lure(tmp_path, "tampered")
    assert installation.run("lures", "push", str(path)).returncode == 0
    config = installation.config
    stream: Stream = await connect(
        f"nats://{config.stream.listen}", "test", credential=folder(config) / "credentials" / "owner.nk"
    )
    stored = await stream.get("lures", "flaw.tampered")
    assert stored is not None
    await stream.put("lures", "flaw.tampered", stored.data.replace(b"buzz", b"evil"))
    await stream.close()
    log = config.state / "propolis.log"
    assert until(
        lambda: re.search(r"LureRefused .*id=tampered .*changed after it was signed", log.read_text())
    )
    assert ask(installation, "/tampered/run?cmd=id").endswith(b"\r\n\r\nbuzz")
    installation.say("lures", "rollback", "tampered")


def test_no_lure_is_no_rollback(idle: Installation) -> None:
    assert "no lure was named" in idle.mistake("lures", "rollback")
