import shutil

import pytest

from propolis.lures import persona
from propolis.lures.redis.persona import Persona, subcommands, value_of
from propolis.lures.redis.record import record, server


@pytest.mark.root
@pytest.mark.skipif(not shutil.which("redis-server"), reason="Debian's redis-server is not installed")
def test_the_persona_is_what_redis_says_today() -> None:
    stored = persona.load("redis", "debian12", Persona)
    with server() as port:
        fresh = record("debian12", port)
    assert fresh.version == stored.version
    assert fresh.config == stored.config
    assert fresh.default_sections == stored.default_sections
    # a container's parts come in the order of a hash table
    simple = [name for name, command in stored.commands.items() if not subcommands(value_of(command.entry))]
    assert {name: fresh.commands[name].docs for name in simple} == {
        name: stored.commands[name].docs for name in simple
    }
    assert fresh.commands.keys() == stored.commands.keys()
    assert {name: [key for key, _ in lines] for name, lines in fresh.info.items()} == {
        name: [key for key, _ in lines] for name, lines in stored.info.items()
    }
