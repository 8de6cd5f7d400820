# ruff: noqa: E501 - the products' own pages, as they have them
"""Servers that do not run on Debian, written down as they are known: their pages' sizes are checked by the tests."""

from propolis.lures.http.record.device import PAGE
from propolis.lures.http.server import Connection, Page, Persona, Rules

WRITTEN_AT = 1_790_000_000
"""Installation dates count back from here (Unix seconds)."""

_TCHAR = r"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_FIELD = rf"{_TCHAR}+:[^\x00-\x08\x0a-\x1f\x7f]*"

_IIS_INDEX = """<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">
<html xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1" />
<title>IIS Windows Server</title>
<style type="text/css">
<!--
body {
\tcolor:#000000;
\tbackground-color:#0072C6;
\tmargin:0;
}

#container {
\tmargin-left:auto;
\tmargin-right:auto;
\ttext-align:center;
\t}

a img {
\tborder:none;
}

-->
</style>
</head>
<body>
<div id="container">
<a href="http://go.microsoft.com/fwlink/?linkid=66138&amp;clcid=0x409"><img src="iisstart.png" alt="IIS" width="960" height="600" /></a>
</div>
</body>
</html>"""

_IIS_ERROR = """<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">
<html xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1"/>
<title>{title}</title>
<style type="text/css">
<!--
body{{margin:0;font-size:.7em;font-family:Verdana, Arial, Helvetica, sans-serif;background:#EEEEEE;}}
fieldset{{padding:0 15px 10px 15px;}}{space}
h1{{font-size:2.4em;margin:0;color:#FFF;}}
h2{{font-size:1.7em;margin:0;color:#CC0000;}}{space}
h3{{font-size:1.2em;margin:10px 0 0 0;color:#000000;}}{space}
#header{{width:96%;margin:0 0 0 0;padding:6px 2% 6px 2%;font-family:"trebuchet MS", Verdana, sans-serif;color:#FFF;
background-color:#555555;}}
#content{{margin:0 0 0 2%;position:relative;}}
.content-container{{background:#FFF;width:96%;margin-top:8px;padding:10px;position:relative;}}
-->
</style>
</head>
<body>
<div id="header"><h1>Server Error</h1></div>
<div id="content">
 <div class="content-container"><fieldset>
  <h2>{title}</h2>
  <h3>{text}</h3>
 </fieldset></div>
</div>
</body>
</html>
"""

_KERNEL_ERROR = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN""http://www.w3.org/TR/html4/strict.dtd">
<HTML><HEAD><TITLE>{title}</TITLE>
<META HTTP-EQUIV="Content-Type" Content="text/html; charset=us-ascii"></HEAD>
<BODY><h2>{heading}</h2>
<hr><p>HTTP Error {status}. {text}</p>
</BODY></HTML>
"""
_IIS_TAIL = "Server: Microsoft-IIS/10.0\r\nX-Powered-By: ASP.NET\r\nDate: {date}\r\n{connection}"


def _crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


def _iis_page(line: str, title: str, text: str, headers: str = "") -> Page:
    body = _IIS_ERROR.format(title=title, text=text, space=" ")
    head = f"HTTP/1.1 {line}\r\n{headers}Content-Type: text/html\r\n{_IIS_TAIL}Content-Length: {{length}}\r\n\r\n"
    return Page(head, _crlf(body))


def _kernel_page(line: str, heading: str, text: str) -> Page:
    """What HTTP.sys answers before IIS hears of the request."""
    status, _, title = line.partition(" ")
    body = _KERNEL_ERROR.format(title=title, heading=heading, status=status, text=text)
    head = (
        f"HTTP/1.1 {line}\r\nContent-Type: text/html; charset=us-ascii\r\nServer: Microsoft-HTTPAPI/2.0\r\n"
        "Date: {date}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    )
    return Page(head, _crlf(body))


def iis() -> Persona:
    """IIS 10.0 on Windows Server, its own start page in front of HTTP.sys."""
    static = 'Accept-Ranges: bytes\r\nETag: "{etag}"\r\n'
    modified = "Content-Type: text/html\r\nLast-Modified: {modified}\r\n"
    allow = "Allow: GET, HEAD, OPTIONS, TRACE\r\n"
    verb = "405 - HTTP verb used to access this page is not allowed."
    verb_text = (
        "The page you are looking for cannot be displayed because an invalid method (HTTP verb) was used to "
        "attempt access."
    )
    gone = "The resource you are looking for might have been removed, had its name changed, or is temporarily unavailable."
    pages = {
        "200": Page(f"HTTP/1.1 200 OK\r\n{modified}{static}{_IIS_TAIL}Content-Length: {{length}}\r\n\r\n", _crlf(_IIS_INDEX)),
        "206": Page(
            f"HTTP/1.1 206 Partial Content\r\n{modified}{static}{_IIS_TAIL}Content-Length: {{length}}\r\n"
            f"Content-Range: bytes {{range}}/{len(_crlf(_IIS_INDEX))}\r\n\r\n"
        ),
        "304": Page(f"HTTP/1.1 304 Not Modified\r\n{static}{_IIS_TAIL}\r\n"),
        "400": _kernel_page("400 Bad Request", "Bad Request - Invalid Hostname", "The request hostname is invalid."),
        "400 field": _kernel_page("400 Bad Request", "Bad Request - Invalid Header", "The request has an invalid header name."),
        "400 large": _kernel_page("400 Bad Request", "Bad Request - Request Too Long", "The size of the request headers is too long."),
        "400 target": _kernel_page("400 Bad Request", "Bad Request - Invalid URL", "The request URL is invalid."),
        "400 verb": _kernel_page("400 Bad Request", "Bad Request - Invalid Verb", "The request verb is invalid."),
        "403": _iis_page("403 Forbidden", "403 - Forbidden: Access is denied.", "You do not have permission to view this directory or page using the credentials that you supplied."),
        "404": _iis_page("404 Not Found", "404 - File or directory not found.", gone),
        "404 kernel": _kernel_page("404 Not Found", "Not Found", "The requested resource is not found."),
        "405": _iis_page("405 Method Not Allowed", verb, verb_text, allow),
        "411": _kernel_page("411 Length Required", "Length Required", "The request must be chunked or have a content length."),
        "412": _iis_page("412 Precondition Failed", "412 - Precondition set by the client failed when evaluated on the Web server.", "The request was not completed due to preconditions that are set in the request header. Preconditions prevent the requested method from being applied to a resource other than the one intended. An example of a precondition is testing for expired content in the page cache of the client."),
        "416": _iis_page("416 Requested Range Not Satisfiable", "416 - Requested range not satisfiable.", "The requested range cannot be served."),
        "500": _iis_page("500 Internal Server Error", "500 - Internal server error.", "There is a problem with the resource you are looking for, and it cannot be displayed."),
        "501": _iis_page("501 Not Implemented", "501 - Header values specify a method that is not implemented.", "The page you are looking for cannot be displayed because a header value in the request does not match certain configuration settings on the Web server. For example, a request header might specify a POST to a static file that cannot be posted to, or specify a Transfer-Encoding value that cannot make use of compression."),
        "503": _kernel_page("503 Service Unavailable", "Service Unavailable", "The service is unavailable."),
        "505": _kernel_page("505 HTTP Version Not Supported", "HTTP Version Not Supported", "The request uses an unsupported HTTP version."),
        "200 options": Page(
            "HTTP/1.1 200 OK\r\nAllow: OPTIONS, TRACE, GET, HEAD, POST\r\nServer: Microsoft-IIS/10.0\r\n"
            "Public: OPTIONS, TRACE, GET, HEAD, POST\r\nX-Powered-By: ASP.NET\r\nDate: {date}\r\n{connection}"
            "Content-Length: 0\r\n\r\n"
        ),
    }  # fmt: skip
    return Persona(
        product="Microsoft-IIS/10.0",
        recorded=WRITTEN_AT,
        is_recorded=False,
        index=("/", "/iisstart.htm"),
        pages=pages,
        order=("Content-Type", "Last-Modified", "Accept-Ranges", "ETag", "Server", "*", "X-Powered-By", "Date", "+", "Content-Length"),
        standing={"Server": "Microsoft-IIS/10.0", "X-Powered-By": "ASP.NET", "Date": "{date}"},
        methods={
            "GET": ("200", "404"),
            "HEAD": ("200", "404"),
            "OPTIONS": ("200 options", "200 options"),
            "TRACE": ("501", "501"),
            "*": ("405", "404"),
        },
        special=((r"(?i)/(?:bin|app_data|app_code|web\.config)(?:/|$)", "404"), (r"[:<>|]", "404 kernel")),
        connection=Connection(close="Connection: close\r\n", keep_10="Connection: keep-alive\r\n", close_10="Connection: close\r\n"),
        rules=Rules(
            line=rf"(?P<method>{_TCHAR}+) +(?P<target>[^\x00-\x20]+) HTTP/1\.(?P<minor>[01])",
            line_faults=((r"^\S+ +\S+ HTTP/(?:[2-9]|0)", "version"), (rf"^{_TCHAR}+ ", "target")),
            begins=rf"(?:{_TCHAR}+(?: .*)?)?",
            head_bytes=16_384,
            field=_FIELD,
            host=r"\[[0-9A-Fa-f:.]+\](?::\d{1,5})?|[A-Za-z0-9._-]+(?::\d{1,5})?",
            needs_length=("POST", "PUT"),
            refusals={
                "version": "505",
                "target": "400 target",
                "path": "400 target",
                "request line": "400 verb",
                "beginning": "400 verb",
                "bare LF": "400 verb",
                "field": "400 field",
                "head length": "400 large",
                "request line length": "400 large",
                "no length": "411",
                "transfer-encoding": "501",
            },
            paths={"star": "refuse", "relative": "refuse", "nul": "refuse", "escape": "refuse"},
        ),
        reasons={"302": "Redirect", "413": "Request Entity Too Large"},
        etag="{filetime:x}:0",
        continues="HTTP/1.1 100 Continue\r\n\r\n",
    )  # fmt: skip


def _simple(title: str, text: str) -> str:
    return f"<HTML><HEAD><TITLE>{title}</TITLE></HEAD>\n<BODY><H1>{title}</H1>\n{text}\n</BODY></HTML>\n"


def boa() -> Persona:
    """Boa 0.94.13, which cameras and routers were built with for twenty years."""
    common = "Date: {date}\r\nServer: Boa/0.94.13\r\n{connection}"

    def error(title: str, text: str) -> Page:
        head = f"HTTP/1.0 {title}\r\n{common}Content-Type: text/html; charset=ISO-8859-1\r\n\r\n"
        return Page(head, _simple(title, text))

    pages = {
        "200": Page(
            f"HTTP/1.0 200 OK\r\n{common}Content-Length: {{length}}\r\nLast-Modified: {{modified}}\r\n"
            "Content-Type: text/html\r\n\r\n",
            PAGE,
        ),
        "304": Page(f"HTTP/1.0 304 Not Modified\r\n{common}\r\n"),
        "400": error("400 Bad Request", "Your client has issued a malformed or illegal request."),
        "401": error(
            "401 Unauthorized", "Your client does not have permission to get URL {path} from this server."
        ),
        "403": error(
            "403 Forbidden", "Your client does not have permission to get URL {path} from this server."
        ),
        "404": error("404 Not Found", "The requested URL {path} was not found on this server."),
        "500": error(
            "500 Server Error",
            "The server encountered an internal error and could not complete your request.",
        ),
        "501": error("501 Not Implemented", "{method} to non-script is not supported in Boa."),
        "502": error("502 Bad Gateway", "The CGI was not CGI/1.1 compliant."),
    }
    return Persona(
        product="Boa/0.94.13",
        recorded=WRITTEN_AT,
        is_recorded=False,
        index=("/", "/index.html"),
        pages=pages,
        order=("Date", "Server", "+", "*", "Content-Length", "Last-Modified", "Content-Type"),
        standing={"Date": "{date}", "Server": "Boa/0.94.13"},
        methods={"GET": ("200", "404"), "HEAD": ("200", "404"), "POST": ("501", "404"), "*": ("501", "501")},
        connection=Connection(
            close="Connection: close\r\n",
            close_10="Connection: close\r\n",
            keep="Keep-Alive: timeout=10, max={left}\r\nConnection: Keep-Alive\r\n",
            asked="Keep-Alive: timeout=10, max={left}\r\nConnection: Keep-Alive\r\n",
            keep_10="Keep-Alive: timeout=10, max={left}\r\nConnection: Keep-Alive\r\n",
        ),
        rules=Rules(
            line=r"(?P<method>[A-Z]+) +(?P<target>/[^\x00-\x20]*) +HTTP/1\.(?P<minor>[0-9])",
            head_bytes=8_192,
            needs_host=False,
            unique=(),
            is_strict=False,
            paths={"absolute": "refuse", "relative": "refuse", "escape": "refuse", "climb": "refuse"},
        ),
        version="HTTP/1.0",
        escapes={"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;"},
        conditions=("if-modified-since",),
        has_ranges=False,
        requests=1_000,
    )


def goahead() -> Persona:
    """GoAhead 2, as routers, cameras and access points carry it."""
    common = "Server: GoAhead-Webs\r\nDate: {asctime}\r\nPragma: no-cache\r\nCache-control: no-cache\r\n"

    def error(status: int, title: str, text: str) -> Page:
        body = (
            f"<html><head><title>Document Error: {title}</title></head>\r\n"
            f"\t\t<body><h2>Access Error: {title}</h2>\r\n\t\t<p>{text}</p></body></html>\r\n\r\n"
        )
        return Page(f"HTTP/1.0 {status} {title}\r\n{common}Content-type: text/html\r\n\r\n", body)

    pages = {
        "200": Page(
            "HTTP/1.0 200 OK\r\nDate: {asctime}\r\nServer: GoAhead-Webs\r\nLast-modified: {modified}\r\n"
            "Content-length: {length}\r\nContent-type: text/html\r\n\r\n",
            PAGE,
        ),
        "304": Page(f"HTTP/1.0 304 Use local copy\r\n{common}Content-type: text/html\r\n\r\n"),
        "400": error(400, "Page not found", "Bad request type"),
        "401": error(401, "Unauthorized", "Access to this document requires a User ID"),
        "404": error(404, "Site or Page Not Found", "Cannot open URL"),
        "500": error(500, "Web Error", "Internal error"),
        "501": error(501, "Not Implemented", "Bad request type"),
    }
    return Persona(
        product="GoAhead-Webs",
        recorded=WRITTEN_AT,
        is_recorded=False,
        index=("/", "/index.asp"),
        pages=pages,
        order=("Server", "Date", "Pragma", "Cache-control", "*", "Content-type", "Content-length"),
        standing={"Server": "GoAhead-Webs", "Date": "{asctime}"},
        methods={"GET": ("200", "404"), "HEAD": ("200", "404"), "POST": ("200", "404"), "*": ("400", "400")},
        rules=Rules(
            line=r"(?P<method>[A-Z]+) +(?P<target>/[^\x00-\x20]*)(?: +HTTP/1\.(?P<minor>[0-9]))",
            head_bytes=16_384,
            needs_host=False,
            unique=(),
            is_strict=False,
            paths={"absolute": "refuse", "relative": "refuse", "climb": "refuse"},
        ),
        version="HTTP/1.0",
        reasons={"401": "Unauthorized", "404": "Site or Page Not Found", "302": "Redirect"},
        conditions=("if-modified-since",),
        has_ranges=False,
        keeps=False,
    )
