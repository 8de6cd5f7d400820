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

AFROG = """id: CVE-2024-4321
info:
  name: Demo Panel <= 2.0 Remote Code Execution
  severity: critical
  tags: cve,cve2024,demo,rce
set:
  r1: randomInt(40000, 44800)
  r2: randomInt(40000, 44800)
rules:
  r0:
    request: {method: GET, path: /login}
    expression: response.status == 200
    output:
      search: '"name=\\"t\\" value=\\"(?P<token>.+?)\\"".bsubmatch(response.body)'
      token: search["token"]
  r1:
    request:
      method: POST
      path: /run
      body: |
        token={{token}}&cmd=expr+{{r1}}+%2B+{{r2}}
    expression: response.status == 200 && response.body.bcontains(bytes(string(r1 + r2)))
expression: r0() && r1()
"""

VPATCH = """name: crowdsecurity/vpatch-demo
description: Demo Panel reads any file
rules:
  - and:
      - {zones: [URI], transform: [lowercase], match: {type: endsWith, value: /download.php}}
      - {zones: [ARGS], variables: [file, path], transform: [lowercase, urldecode], match: {type: contains, value: ../}}
labels:
  type: exploit
  confidence: 3
  label: "Demo Panel - Path Traversal"
  classification: [cve.CVE-2024-4322, attack.T1595, attack.T1190, cwe.CWE-22]
"""
