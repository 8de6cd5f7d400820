"""Real clients against the lure."""

import asyncio
import os
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from propolis import notes
from propolis.events import ClientIdentified, CommandRun, CredentialTried, Malformed, PayloadReceived
from propolis.lures.lure import Visit
from propolis.lures.ssh import SshLure
from propolis.lures.ssh.lure import _executable


async def run(
    *command: str, answer: str = "", stdin: bytes = b"", folder: Path | None = None
) -> tuple[int, str, str]:
    """A program; ``answer`` is what ssh's askpass gives."""
    environment = dict(os.environ)
    if folder:
        askpass = folder / "askpass"
        askpass.write_text(f"#!/bin/sh\necho '{answer}'\n")
        askpass.chmod(0o700)
        environment |= {"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "setsid", "-w", *command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment
    )
    out, err = await asyncio.wait_for(process.communicate(stdin), 60)
    return process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace")


SSH = ("ssh", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR")


def ssh(port: int, folder: Path, *rest: str) -> tuple[str, ...]:
    return (*SSH, "-o", f"UserKnownHostsFile={folder / 'known'}", "-p", str(port), *rest)


@pytest.mark.root
async def test_the_real_client_gets_in_with_the_weak_password_and_runs_a_command(
    stage: Any, password: str, tmp_path: Path
) -> None:
    command = ssh(stage.port, tmp_path, "root@127.0.0.1", "uname -a; id; nosuch; whoami")
    code, out, err = await run(*command, answer=password, folder=tmp_path)
    assert code == 0, err
    assert out.splitlines()[0].endswith("x86_64 GNU/Linux")
    assert "Debian" in out
    assert out.splitlines()[1:] == ["uid=0(root) gid=0(root) groups=0(root)", "root"]
    assert err == "bash: line 1: nosuch: command not found\n"
    client = stage.of(ClientIdentified)[0]
    assert client.software.startswith("SSH-2.0-OpenSSH_9.2p1")
    assert len(client.fingerprint) == 32
    assert CredentialTried("root", password, "password", accepted=True) in stage
    assert stage.of(CommandRun)[0].command == "uname -a; id; nosuch; whoami"
    assert not stage.of(Malformed)


@pytest.mark.root
async def test_a_public_key_is_recorded_and_the_exit_status_is_the_commands(
    stage: Any, password: str, tmp_path: Path
) -> None:
    await run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "id"))
    command = ssh(stage.port, tmp_path, "-i", str(tmp_path / "id"), "root@127.0.0.1", "nosuch")
    code, _, _ = await run(*command, answer=password, folder=tmp_path)
    assert code == 127
    offered = [event for event in stage.of(CredentialTried) if event.method == "publickey"]
    public = (tmp_path / "id.pub").read_text().rsplit(" ", 1)[0]
    assert public in {event.secret for event in offered}
    assert not any(event.accepted for event in offered)


@pytest.mark.root
@pytest.mark.parametrize(
    "option",
    [
        "KexAlgorithms=sntrup761x25519-sha512@openssh.com",
        "KexAlgorithms=curve25519-sha256",
        "KexAlgorithms=ecdh-sha2-nistp521",
        "KexAlgorithms=diffie-hellman-group-exchange-sha256",
        "KexAlgorithms=diffie-hellman-group14-sha256",
        "KexAlgorithms=diffie-hellman-group18-sha512",
        "Ciphers=aes192-ctr",
        "Ciphers=aes128-gcm@openssh.com",
        "Compression=yes",
        "HostKeyAlgorithms=rsa-sha2-256",
        "HostKeyAlgorithms=ecdsa-sha2-nistp256",
        *(f"MACs={mac}" for mac in ("umac-64-etm@openssh.com", "umac-128@openssh.com", "hmac-sha1")),
    ],
)
async def test_whatever_is_announced_can_be_executed(
    stage: Any, password: str, tmp_path: Path, option: str
) -> None:
    ciphers = ("-o", "Ciphers=aes256-ctr") if option.startswith("MACs") else ()
    command = ssh(stage.port, tmp_path, "-o", option, *ciphers, "root@127.0.0.1", "echo $USER")
    code, out, err = await run(*command, answer=password, folder=tmp_path)
    assert (code, out) == (0, "root\n"), err


@pytest.mark.root
async def test_wrong_passwords_are_refused_and_the_patience_is_sshds(stage: Any, tmp_path: Path) -> None:
    command = ssh(stage.port, tmp_path, "-o", "NumberOfPasswordPrompts=9", "root@127.0.0.1", "id")
    code, _, err = await run(*command, answer="not-that-one", folder=tmp_path)
    assert code == 255
    assert "Too many authentication failures" in err
    assert len([event for event in stage.of(CredentialTried) if event.method == "password"]) == 6


@pytest.mark.root
async def test_forwarding_and_subsystems_are_refused(stage: Any, password: str, tmp_path: Path) -> None:
    command = ssh(stage.port, tmp_path, "-W", "127.0.0.1:22", "root@127.0.0.1")
    _, _, err = await run(*command, answer=password, folder=tmp_path)
    assert "stdio forwarding failed" in err
    assert b"direct-tcpip" in stage.of(PayloadReceived)[0].payload
    _, _, err = await run(
        *ssh(stage.port, tmp_path, "-s", "root@127.0.0.1", "sftp"), answer=password, folder=tmp_path
    )
    assert "subsystem request failed" in err


@pytest.mark.root
async def test_a_terminal_session_reads_like_bash(stage: Any, password: str, tmp_path: Path) -> None:
    command = ssh(stage.port, tmp_path, "-tt", "root@127.0.0.1")
    code, out, err = await run(*command, answer=password, folder=tmp_path, stdin=b"pwd\rcd /etc\rexit\r")
    assert code == 0, err
    assert "The programs included with the Debian GNU/Linux system" in out
    assert "/root\r\n" in out
    assert ":/etc# exit\r\n" in out
    assert out.endswith("logout\r\n")
    assert [event.command for event in stage.of(CommandRun)] == ["pwd", "cd /etc", "exit"]


@pytest.mark.root
async def test_what_is_piped_into_cat_is_kept(stage: Any, password: str, tmp_path: Path) -> None:
    command = ssh(stage.port, tmp_path, "root@127.0.0.1", "cat > /tmp/x")
    code, _, err = await run(*command, answer=password, folder=tmp_path, stdin=b"\x7fELF" + bytes(100_000))
    assert code == 0, err
    assert stage.of(PayloadReceived)[0].payload == b"\x7fELF" + bytes(100_000)


@pytest.mark.root
async def test_keyscan_sees_three_keys_that_stay_the_same(stage: Any) -> None:
    first = await run("ssh-keyscan", "-p", str(stage.port), "127.0.0.1")
    second = await run("ssh-keyscan", "-p", str(stage.port), "127.0.0.1")
    assert sorted(first[1].splitlines()) == sorted(second[1].splitlines())
    assert len(first[1].splitlines()) == 3
    assert "OpenSSH_9.2p1 Debian-2+deb12u10" in first[2] + first[1]


@pytest.mark.root
async def test_nmap_sees_debians_sshd(stage: Any) -> None:
    command = (
        "nmap",
        "-sV",
        "-p",
        str(stage.port),
        "--script",
        "ssh2-enum-algos,ssh-auth-methods,sshv1",
        "127.0.0.1",
    )
    _, out, _ = await run(*command)
    assert "OpenSSH 9.2p1 Debian 2+deb12u10 (protocol 2.0)" in out
    assert "kex_algorithms: (12)" in out
    assert "mac_algorithms: (10)" in out
    assert "oneypot" not in out


async def test_a_session_of_asyncssh_sees_files_written_before(stage: Any, password: str) -> None:
    async with asyncssh.connect(
        "127.0.0.1",
        stage.port,
        username="root",
        password=password,
        known_hosts=None,
        client_keys=None,
        config=None,
    ) as connection:
        await connection.run("echo one > /tmp/a; echo two >> /tmp/a")
        result = await connection.run("cat /tmp/a | wc -l && cat /tmp/a")
    assert result.stdout == "2\none\ntwo\n"


async def test_a_client_that_leaves_before_its_algorithms_is_still_named(stage: Any) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    writer.write(b"SSH-2.0-Go\r\n")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    await stage.until(ClientIdentified)
    assert stage.of(ClientIdentified) == [ClientIdentified("SSH-2.0-Go", "")]


def test_what_cannot_be_executed_is_not_announced_but_told() -> None:
    before = notes.counts["PersonaReduced"]
    assert _executable("MAC", ("hmac-sha1", "umac-64@openssh.com"), [b"hmac-sha1"]) == ["hmac-sha1"]
    assert notes.counts["PersonaReduced"] == before + 1


async def test_nothing_is_left_in_the_loop(visit: Visit) -> None:
    lure = SshLure(visit)
    list(lure.connected())
    list(lure.receive(b"SSH-2.0-x\r\n" + bytes(64)))
    assert list(lure.receive(b"more")) == []
    list(lure.closed())
    assert len(asyncio.all_tasks()) == 1
