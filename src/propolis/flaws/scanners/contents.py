"""Texts that attackers ask for by name, so that an answer shows the real thing and not merely what a pattern accepts.

Each has a template of the answer language, whose functions give what this sensor's machine would show, and a sample of
it, which stands for it while a matcher is being satisfied.
"""

import msgspec


class Content(msgspec.Struct, frozen=True):
    """``sample`` stands for what ``template`` will be rendered to."""

    sample: bytes
    template: str


CONTENTS: tuple[Content, ...] = (
    Content(
        b"root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
        b"bin:x:2:2:bin:/bin:/usr/sbin/nologin",
        "{{ file('/etc/passwd') }}",
    ),
    Content(b"uid=33(www-data) gid=33(www-data) groups=33(www-data)", "{{ shell('id') }}"),
    Content(
        b"; for 16-bit app support\r\n[fonts]\r\n[extensions]\r\n[mci extensions]\r\n[files]\r\n[Mail]\r\nMAPI=1",
        "; for 16-bit app support\r\n[fonts]\r\n[extensions]\r\n[mci extensions]\r\n[files]\r\n[Mail]\r\nMAPI=1",
    ),
    Content(b"uid=0(root) gid=0(root) groups=0(root)", "uid=0(root) gid=0(root) groups=0(root)"),
    Content(b"127.0.0.1\tlocalhost", "127.0.0.1\tlocalhost"),
)
"""In the order they are tried for what a matcher seeks."""
