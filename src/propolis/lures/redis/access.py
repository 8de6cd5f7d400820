"""``ACL``: one user, who needs no password and may do everything."""

from propolis.lures.redis.session import Handler, Refused, Session, number_of
from propolis.lures.redis.wire import Many, Status, Value

USER = b"default"
_PASSWORD_BITS = 256
_GENPASS_MAX = 4_096
_GENPASS = (
    f"ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to "
    f"{_GENPASS_MAX}"
)


def whoami(_session: Session, _words: list[bytes]) -> Value:
    """``ACL WHOAMI``."""
    return USER


def users(_session: Session, _words: list[bytes]) -> Value:
    """``ACL USERS``."""
    return [USER]


def rules(_session: Session, _words: list[bytes]) -> Value:
    """``ACL LIST``."""
    return [b"user default on nopass ~* &* +@all"]


def user(_session: Session, words: list[bytes]) -> Value:
    """``ACL GETUSER name``: null for anybody but the default user."""
    if words[2] != USER:
        return None
    flags: list[Value] = [b"on", b"nopass"]
    facts: list[Value] = [b"flags", Many("~", flags), b"passwords", [], b"commands", b"+@all", b"keys", b"~*"]
    return Many("%", [*facts, b"channels", b"&*", b"selectors", []])


def categories(session: Session, words: list[bytes]) -> Value:
    """``ACL CAT [category]``: the categories, or the commands of one."""
    table = session.instance.table
    if len(words) > 3:
        raise Refused("ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.")
    if len(words) == 2:
        return table.answers[b"acl|cat"]
    category = "@" + words[2].decode("latin-1").lower()
    found: list[Value] = [name for name, shape in table.shapes.items() if category in shape.categories]
    if not found:
        raise Refused(f"ERR Unknown category '{words[2].decode('latin-1')}'")
    return found


def genpass(session: Session, words: list[bytes]) -> Value:
    """``ACL GENPASS [bits]``: hexadecimal digits, one for every four bits begun."""
    bits = number_of(words[2]) if len(words) > 2 else _PASSWORD_BITS
    if not 0 < bits <= _GENPASS_MAX:
        raise Refused(_GENPASS)
    digits = (bits + 3) // 4
    return b"%0*x" % (digits, session.visit.random.getrandbits(4 * digits))


def log(_session: Session, words: list[bytes]) -> Value:
    """``ACL LOG [count|RESET]``: nothing was refused."""
    if len(words) == 3 and words[2].upper() == b"RESET":
        return Status("OK")
    return []


COMMANDS: dict[bytes, Handler] = {
    b"acl|cat": categories,
    b"acl|genpass": genpass,
    b"acl|getuser": user,
    b"acl|list": rules,
    b"acl|log": log,
    b"acl|users": users,
    b"acl|whoami": whoami,
}
