"""What all conversations behind one TLS port share: a context of OpenSSL that looks like the product's."""

import ssl
from pathlib import Path

import msgspec

from propolis.errors import ConfigError
from propolis.sensors.tls.certificate import certificate
from propolis.sensors.tls.profile import Profile, Version

_GROUP_14 = Path(__file__).with_name("group14.pem")
"""RFC 3526, 3: what OpenSSL itself takes for a 2,048 bit key where the administrator named no group."""

VERSIONS: dict[Version, ssl.TLSVersion] = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
_OLD = frozenset({"TLSv1", "TLSv1.1"})


class Front(msgspec.Struct, frozen=True):
    """``protocols`` are the ALPN names offered here, in order; ``hears_clear`` if the lure reads clear text as well."""

    context: ssl.SSLContext
    profile: Profile
    protocols: tuple[str, ...] = ()
    hears_clear: bool = False


def front(profile: Profile, keys: Path, host: str, spoken: tuple[str, ...], now: int) -> Front:
    """TLS as ``profile`` has it, for a lure that speaks these ALPN protocols, with a certificate kept in ``keys``.

    Raises :class:`~propolis.errors.ConfigError` when the certificate cannot be made or read.
    """
    path = certificate(keys, profile.certificate, host, now)
    protocols = tuple(name for name in profile.protocols if name in spoken)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(path)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(path, "", f"is no key and certificate ({error}); remove it") from error
    levels = [VERSIONS[name] for name in profile.versions]
    context.minimum_version, context.maximum_version = min(levels), max(levels)
    # what the product accepts, not what this host's policy would (OpenSSL, SSL_CTX_set_security_level)
    level = 0 if _OLD.intersection(profile.versions) else 2
    context.set_ciphers(":".join([*profile.ciphers, f"@SECLEVEL={level}"]))
    if any(name.startswith("DHE-") for name in profile.ciphers):
        context.load_dh_params(str(_GROUP_14))
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if profile.is_server_order:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    if not profile.has_tickets:
        context.options |= ssl.OP_NO_TICKET
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return Front(context, profile, protocols, bool(spoken))
