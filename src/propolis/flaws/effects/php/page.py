"""The page of ``phpinfo()``: its structure is PHP's, its values the persona's."""

import html

from propolis.flaws.scene import Scope

VERSION = "8.2.20"
_BUILT = "Jun 17 2024 13:33:14"
_STYLE = (
    "body {background-color: #fff; color: #222; font-family: sans-serif;}\n"
    "pre {margin: 0; font-family: monospace;}\na:link {color: #009; text-decoration: none; background-color: #fff;}\n"
    "a:hover {text-decoration: underline;}\ntable {border-collapse: collapse; border: 0; width: 934px; "
    "box-shadow: 1px 2px 3px rgba(0, 0, 0, 0.2);}\n.center {text-align: center;}\n"
    ".center table {margin: 1em auto; text-align: left;}\n.center th {text-align: center !important;}\n"
    "td, th {border: 1px solid #666; font-size: 75%; vertical-align: baseline; padding: 4px 5px;}\n"
    "h1 {font-size: 150%;}\nh2 {font-size: 125%;}\n.p {text-align: left;}\n"
    ".e {background-color: #ccf; width: 300px; font-weight: bold;}\n.h {background-color: #99c; font-weight: bold;}\n"
    ".v {background-color: #ddd; max-width: 300px; overflow-x: auto; word-wrap: break-word;}\n.v i {color: #999;}\n"
)


def phpinfo(scope: Scope) -> str:
    """The whole page, about 6 kB."""
    scene = scope.scene
    host = scene.machine
    system = f"Linux {host.name} {host.kernel} {host.build} x86_64"
    if scene.account.os == "windows":
        system = f"Windows NT {scene.hostname} 10.0 build 17763 (Windows Server 2019) AMD64"
    path = scope.field("path").decode("latin-1") or "/"
    general = {
        "System": system,
        "Build Date": _BUILT,
        "Build System": "Linux",
        "Server API": "FPM/FastCGI",
        "Virtual Directory Support": "disabled",
        "Configuration File (php.ini) Path": "/etc/php/8.2/fpm",
        "Loaded Configuration File": "/etc/php/8.2/fpm/php.ini",
        "Scan this dir for additional .ini files": "/etc/php/8.2/fpm/conf.d",
        "PHP API": "20220829",
        "PHP Extension": "20220829",
        "Zend Extension": "420220829",
        "Debug Build": "no",
        "Thread Safety": "disabled",
        "Registered PHP Streams": "https, ftps, compress.zlib, php, file, glob, data, http, ftp, phar",
    }
    core = {
        "allow_url_fopen": "On",
        "allow_url_include": "Off",
        "disable_classes": "<i>no value</i>",
        "disable_functions": "<i>no value</i>",
        "display_errors": "Off",
        "expose_php": "Off",
        "file_uploads": "On",
        "max_execution_time": "30",
        "memory_limit": "128M",
        "open_basedir": "<i>no value</i>",
        "short_open_tag": "Off",
        "upload_max_filesize": "2M",
    }
    variables = {
        "$_SERVER['USER']": scene.account.user,
        "$_SERVER['HOME']": scene.account.home,
        "$_SERVER['SCRIPT_FILENAME']": scene.account.folder + path,
        "$_SERVER['REQUEST_URI']": scope.field("target").decode("latin-1"),
        "$_SERVER['DOCUMENT_ROOT']": scene.account.folder,
        "$_SERVER['SERVER_ADDR']": scene.ip,
        "$_SERVER['REMOTE_ADDR']": scene.source_ip,
        "$_SERVER['HTTP_USER_AGENT']": scope.field("header.user-agent").decode("latin-1"),
        "$_SERVER['HTTP_HOST']": scope.field("host").decode("latin-1"),
        "$_SERVER['REQUEST_TIME']": str(scene.now // 1_000_000_000),
    }
    title = f"PHP {VERSION} - phpinfo()"
    return (
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "DTD/xhtml1-transitional.dtd">\n'
        '<html xmlns="http://www.w3.org/1999/xhtml"><head>\n'
        f'<style type="text/css">\n{_STYLE}</style>\n<title>{title}</title>'
        '<meta name="ROBOTS" content="NOINDEX,NOFOLLOW,NOARCHIVE" /></head>\n<body><div class="center">\n'
        f'<table>\n<tr class="h"><td>\n<h1 class="p">PHP Version {VERSION}</h1>\n</td></tr>\n</table>\n'
        f"{_table(general)}"
        '<h1>Configuration</h1>\n<h2><a name="module_core" href="#module_core">Core</a></h2>\n<table>\n'
        f'<tr><td class="e">PHP Version </td><td class="v">{VERSION} </td></tr>\n</table>\n'
        f"{_directives(core)}<h2>PHP Variables</h2>\n{_variables(variables)}"
        "<h1>PHP Credits</h1>\n</div></body></html>"
    )


def _table(rows: dict[str, str]) -> str:
    body = "".join(
        f'<tr><td class="e">{name} </td><td class="v">{html.escape(value)} </td></tr>\n'
        for name, value in rows.items()
    )
    return f"<table>\n{body}</table>\n"


def _directives(rows: dict[str, str]) -> str:
    body = "".join(
        f'<tr><td class="e">{name}</td><td class="v">{value}</td><td class="v">{value}</td></tr>\n'
        for name, value in rows.items()
    )
    return f'<table>\n<tr class="h"><th>Directive</th><th>Local Value</th><th>Master Value</th></tr>\n{body}</table>\n'


def _variables(rows: dict[str, str]) -> str:
    body = "".join(
        f'<tr><td class="e">{name}</td><td class="v">{html.escape(value)}</td></tr>\n'
        for name, value in rows.items()
    )
    return f'<table>\n<tr class="h"><th>Variable</th><th>Value</th></tr>\n{body}</table>\n'
