r"""The files that a traversal, a file read or a server-side request asks for, as the persona would have them.

The path may be wrapped as scanners wrap it: ``../../etc/passwd``, ``%2e%2e%2f``, ``....//``, ``file:///``,
``php://filter/...``, ``..\..\windows\win.ini``, ``/etc/passwd%00.png``. Nothing is opened.
"""

import base64
import binascii
import re
from collections.abc import Callable
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

from propolis.events.canary import Kind
from propolis.flaws.effects.machine import machine_of
from propolis.flaws.scene import Scope
from propolis.machine.host import Host

MAX_PATH_BYTES = 4_096
_ROUNDS = 3

_FILTER = re.compile(rb"(?i)php://filter/(.*?)/?resource=(.*)", re.DOTALL)
_SCHEME = re.compile(
    rb"(?i)^(?:file|jar:file|netdoc|local_file|url:file|compress\.zlib|zip|phar):(?://(?:localhost|127\.0\.0\.1)?)?"
)
_DRIVE = re.compile(rb"(?i)^/?[a-z][:|]/")
_DOTS = re.compile(rb"/(?:\.{1,4}/)+")


def file(scope: Scope, path: bytes) -> bytes:
    """The text of a file; empty if the machine has none, or the user may not read it."""
    wanted = path[:MAX_PATH_BYTES]
    found = _FILTER.search(wanted)
    if found:
        return _filtered(
            found[1].lower(), file(scope, found[2]) if b"php://" not in found[2].lower() else b""
        )
    if wanted[:5].lower() == b"data:":
        return _data(wanted)
    place = located(wanted)
    windows = _WINDOWS.get(place.lower().lstrip(b"/"))
    if windows is not None:
        return windows(scope.scene.machine).encode()
    text = machine_of(scope).text_of(place.decode("utf-8", "surrogateescape"))
    if text is not None:
        return text.encode("utf-8", "surrogateescape")
    return _application(scope, place)


def located(path: bytes) -> bytes:
    """An absolute path with its wrappings undone; O(bytes)."""
    for _ in range(_ROUNDS):
        path, before = unquote_to_bytes(path), path
        if path == before:
            break
    path = _SCHEME.sub(b"", path.split(b"\0", 1)[0].strip(b" '\"`\r\n\t"), count=1)
    path = b"/" + path.replace(b"\\", b"/").replace(b"\xc0\xaf", b"/").replace(b"..;/", b"../")
    path = path.split(b"!/", 1)[0].split(b"?", 1)[0].split(b"#", 1)[0]
    path = path.split(b";", 1)[0]
    path = re.sub(rb"/{2,}", b"/", _DOTS.sub(b"/", re.sub(rb"/{2,}", b"/", path)))
    if _DRIVE.match(path):
        path = _DRIVE.sub(b"/", path, count=1)
    at = path.lower().rfind(b"/windows/")
    if at >= 0:
        return path[at:]
    for mark in _ROOTS:
        at = path.rfind(mark)
        if at > 0:
            return path[at:]
    return path.rstrip(b"/") or b"/"


_ROOTS = (*(b"/etc/", b"/proc/", b"/winnt/", b"/WEB-INF/", b"/META-INF/", b"/var/www/"),)
"""Where a climb ends whatever was before it: ``/var/www/images/../../../etc/passwd`` and ``/static/etc/passwd``."""


def _filtered(filters: bytes, text: bytes) -> bytes:
    """What a chain of PHP's stream filters makes of a file."""
    for name in re.split(rb"[|/]", filters)[:16]:
        if name.endswith(b"convert.base64-encode"):
            text = base64.b64encode(text)
        elif name.endswith(b"string.rot13"):
            text = text.translate(_ROT13)
        elif name.endswith(b"string.toupper"):
            text = text.upper()
    return text


_ROT13 = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    b"NOPQRSTUVWXYZABCDEFGHIJKLMnopqrstuvwxyzabcdefghijklm",
)


def _data(path: bytes) -> bytes:
    """A ``data:`` URL (RFC 2397) holds the file itself."""
    head, _, content = path.partition(b",")
    content = unquote_to_bytes(content)
    if not head.lower().endswith(b"base64"):
        return content
    try:
        return base64.b64decode(content.strip().replace(b" ", b"+") + b"===")
    except binascii.Error:
        return b""


def _application(scope: Scope, place: bytes) -> bytes:
    """Files that applications have in common, wherever they are: by their last names."""
    for ending, made in _APPLICATION.items():
        if place.endswith(ending):
            return made(scope)
    return b""


def _web_xml(scope: Scope) -> bytes:
    del scope
    return (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<web-app xmlns="http://xmlns.jcp.org/xml/ns/javaee"\n'
        b'         xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"\n'
        b'         xsi:schemaLocation="http://xmlns.jcp.org/xml/ns/javaee '
        b'http://xmlns.jcp.org/xml/ns/javaee/web-app_4_0.xsd"\n         version="4.0">\n'
        b"  <display-name>portal</display-name>\n"
        b"  <servlet>\n    <servlet-name>dispatcher</servlet-name>\n"
        b"    <servlet-class>org.springframework.web.servlet.DispatcherServlet</servlet-class>\n"
        b"    <load-on-startup>1</load-on-startup>\n  </servlet>\n"
        b"  <servlet-mapping>\n    <servlet-name>dispatcher</servlet-name>\n    <url-pattern>/</url-pattern>\n"
        b"  </servlet-mapping>\n  <welcome-file-list>\n    <welcome-file>index.jsp</welcome-file>\n"
        b"  </welcome-file-list>\n</web-app>\n"
    )


def _manifest(scope: Scope) -> bytes:
    del scope
    return b"Manifest-Version: 1.0\r\nCreated-By: Maven JAR Plugin 3.3.0\r\nBuild-Jdk-Spec: 11\r\n\r\n"


def _web_config(scope: Scope) -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\r\n<configuration>\r\n  <connectionStrings>\r\n'
        '    <add name="DefaultConnection" connectionString="Server=localhost;Database=portal;User Id=portal;Password='
        f'{_secret(scope, "password")};" providerName="System.Data.SqlClient" />\r\n  </connectionStrings>\r\n'
        "  <system.web>\r\n"
        '    <compilation debug="false" targetFramework="4.8" />\r\n    <customErrors mode="RemoteOnly" />\r\n'
        f'    <machineKey validationKey="{_secret(scope, "token").upper() * 4}" '
        f'decryptionKey="{_secret(scope, "token").upper()}" validation="SHA1" decryption="AES" />\r\n'
        "  </system.web>\r\n</configuration>\r\n"
    ).encode()


def _dotenv(scope: Scope) -> bytes:
    return (
        "APP_NAME=Portal\nAPP_ENV=production\nAPP_DEBUG=false\nAPP_URL=http://localhost\n\n"
        "DB_CONNECTION=mysql\nDB_HOST=127.0.0.1\nDB_PORT=3306\nDB_DATABASE=portal\nDB_USERNAME=portal\n"
        f"DB_PASSWORD={_secret(scope, 'password')}\n\nAWS_ACCESS_KEY_ID={_secret(scope, 'aws_key')}\n"
        f"AWS_SECRET_ACCESS_KEY={_secret(scope, 'aws_secret')}\nAWS_DEFAULT_REGION=eu-central-1\n"
    ).encode()


def _wordpress(scope: Scope) -> bytes:
    return (
        "<?php\n/** The name of the database for WordPress */\ndefine( 'DB_NAME', 'wordpress' );\n\n"
        "/** Database username */\ndefine( 'DB_USER', 'wordpress' );\n\n/** Database password */\n"
        f"define( 'DB_PASSWORD', '{_secret(scope, 'password')}' );\n\n/** Database hostname */\n"
        "define( 'DB_HOST', 'localhost' );\n\ndefine( 'DB_CHARSET', 'utf8mb4' );\n$table_prefix = 'wp_';\n\n"
        "if ( ! defined( 'ABSPATH' ) ) {\n\tdefine( 'ABSPATH', __DIR__ . '/' );\n}\n\n"
        "require_once ABSPATH . 'wp-settings.php';\n"
    ).encode()


def _aws(scope: Scope) -> bytes:
    return (
        f"[default]\naws_access_key_id = {_secret(scope, 'aws_key')}\n"
        f"aws_secret_access_key = {_secret(scope, 'aws_secret')}\n"
    ).encode()


def _git_config(scope: Scope) -> bytes:
    return (
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n"
        f'[remote "origin"]\n\turl = https://deploy:{_secret(scope, "github_token")}@github.com/portal/portal.git\n'
        "\tfetch = +refs/heads/*:refs/remotes/origin/*\n"
    ).encode()


def _history(scope: Scope) -> bytes:
    password = _secret(scope, "password")
    return f"cd /var/www\nls -la\nmysql -u portal --password={password} portal\nexit\n".encode()


def _tomcat_users(scope: Scope) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<tomcat-users xmlns="http://tomcat.apache.org/xml" version="1.0">\n'
        f'  <role rolename="manager-gui"/>\n  <user username="deploy" password="{_secret(scope, "password")}" '
        'roles="manager-gui,manager-script"/>\n</tomcat-users>\n'
    ).encode()


def _secret(scope: Scope, kind: Kind) -> str:
    return scope.scene.mint.mint(kind, scope.scene.source)


_APPLICATION: MappingProxyType[bytes, Callable[[Scope], bytes]] = MappingProxyType(
    {
        b"/.aws/credentials": _aws,
        b"/.bash_history": _history,
        b"/.env": _dotenv,
        b"/.git/HEAD": lambda _: b"ref: refs/heads/main\n",
        b"/.git/config": _git_config,
        b"/META-INF/MANIFEST.MF": _manifest,
        b"/WEB-INF/web.xml": _web_xml,
        b"/index.php": lambda _: (
            b"<?php\n\nrequire __DIR__ . '/bootstrap.php';\n\n(new Kernel())->handle();\n"
        ),
        b"/tomcat-users.xml": _tomcat_users,
        b"/web.config": _web_config,
        b"/Web.config": _web_config,
        b"/wp-config.php": _wordpress,
    }
)


def _hosts_of_windows(host: Host) -> str:
    del host
    return (
        "# Copyright (c) 1993-2009 Microsoft Corp.\r\n#\r\n"
        "# This is a sample HOSTS file used by Microsoft TCP/IP for Windows.\r\n#\r\n"
        "# localhost name resolution is handled within DNS itself.\r\n"
        "#\t127.0.0.1       localhost\r\n#\t::1             localhost\r\n"
    )


_WINDOWS: MappingProxyType[bytes, Callable[[Host], str]] = MappingProxyType(
    {
        b"windows/win.ini": lambda _: (
            "; for 16-bit app support\r\n[fonts]\r\n[extensions]\r\n[mci extensions]\r\n[files]\r\n[Mail]\r\nMAPI=1\r\n"
        ),
        b"winnt/win.ini": lambda _: (
            "; for 16-bit app support\r\n[fonts]\r\n[extensions]\r\n[mci extensions]\r\n[files]\r\n"
        ),
        b"windows/system.ini": lambda _: (
            "; for 16-bit app support\r\n[386Enh]\r\nwoafont=dosapp.fon\r\nEGA80WOA.FON=EGA80WOA.FON\r\n\r\n"
            "[drivers]\r\nwave=mmdrv.dll\r\ntimer=timer.drv\r\n\r\n[mci]\r\n"
        ),
        b"windows/system32/drivers/etc/hosts": _hosts_of_windows,
        b"boot.ini": lambda _: (
            "[boot loader]\r\ntimeout=30\r\ndefault=multi(0)disk(0)rdisk(0)partition(1)\\WINDOWS\r\n"
            "[operating systems]\r\nmulti(0)disk(0)rdisk(0)partition(1)\\WINDOWS="
            '"Windows Server 2003, Standard" /noexecute=optout /fastdetect\r\n'
        ),
    }
)
