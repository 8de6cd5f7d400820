"""Serialised Java objects as scanners send them: the true stream grammar, harmless content.

Java Object Serialization Specification, chapter 6. The ``dns`` kind is a ``HashMap`` with a ``java.net.URL`` as key,
which looks the host up when it is read; every other kind is a ``HashSet`` around the command's text: a decoy that
recognises a gadget by the stream's magic and the names in it sees what it would see from a scanner.
"""

import base64
import gzip
import struct
from typing import Final
from urllib.parse import urlsplit

from bench.scanner.text import encoded

STREAM: Final = b"\xac\xed\x00\x05"
NULL, OBJECT, CLASS, STRING, BLOCK, END = b"p", b"s", b"r", b"t", b"w", b"x"
SERIALIZABLE, WRITES_ITSELF = 2, 3


def java(kind: str, command: str, coding: str) -> str:
    """The object, coded ``raw``, ``hex``, ``base64-raw``, ``gzip``, ``gzip-base64`` or (any other) ``base64``."""
    data = _lookup(command) if kind == "dns" else _command(kind, command)
    match coding:
        case "raw":
            return data.decode("latin-1")
        case "hex":
            return data.hex()
        case "base64-raw":
            return base64.b64encode(data).decode()
        case "gzip":
            return gzip.compress(data, mtime=0).decode("latin-1")
        case "gzip-base64":
            return base64.b64encode(gzip.compress(data, mtime=0)).decode()
        case _:
            return base64.b64encode(data).decode().replace("+", "%2B")


def _text(text: str) -> bytes:
    data = encoded(text)
    return struct.pack(">H", len(data)) + data


def _class(name: str, serial: int, flags: int, fields: bytes, count: int) -> bytes:
    return (
        CLASS + _text(name) + struct.pack(">QBH", serial, flags, count) + fields + END + NULL
    )  # no annotation, no superclass


def _lookup(url: str) -> bytes:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    map_class = _class(
        "java.util.HashMap",
        0x0507DAC1C31660D1,
        WRITES_ITSELF,
        b"F" + _text("loadFactor") + b"I" + _text("threshold"),
        2,
    )
    names = ("authority", "file", "host", "protocol", "ref")
    string = STRING + _text("Ljava/lang/String;")
    fields = b"I" + _text("hashCode") + b"I" + _text("port")
    fields += b"".join(b"L" + _text(name) + string for name in names)
    url_class = _class("java.net.URL", 0x962537361AFCE472, WRITES_ITSELF, fields, 7)
    values = (parts.netloc, parts.path, parts.hostname or "", parts.scheme)
    url_data = struct.pack(">ii", -1, -1) + b"".join(STRING + _text(value) for value in values) + NULL + END
    return (
        STREAM
        + OBJECT
        + map_class
        + struct.pack(">fI", 0.75, 12)
        + BLOCK
        + b"\x08"
        + struct.pack(">II", 16, 1)
        + OBJECT
        + url_class
        + url_data
        + STRING
        + _text(url)
        + END
    )


def _command(kind: str, command: str) -> bytes:
    chain = {
        "commons-collections3.1": "org.apache.commons.collections.functors.InvokerTransformer",
        "commons-collections4.0": "org.apache.commons.collections4.functors.InvokerTransformer",
        "groovy1": "org.codehaus.groovy.runtime.MethodClosure",
    }.get(kind, "java.lang.reflect.Proxy")
    set_class = _class("java.util.HashSet", 0xBA44859596B8B734, WRITES_ITSELF, b"", 0)
    head = BLOCK + b"\x0c" + struct.pack(">IfI", 2, 0.75, 1)
    inner = _class(
        chain,
        0x87E8FF6B7B7CCE38,
        SERIALIZABLE,
        b"L" + _text("iMethodName") + STRING + _text("Ljava/lang/String;"),
        1,
    )
    return STREAM + OBJECT + set_class + head + OBJECT + inner + STRING + _text(command) + END
