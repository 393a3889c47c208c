"""What is told of refusals as servers and proxies really answer: the cause, and no other."""

from __future__ import annotations

import gzip
import re

import pytest

from tests.attack.readers import lines
from wsdiag.judgement.diagnosis.hints import diagnose, explain, hints
from wsdiag.judgement.diagnosis.page_text import excerpt, readable
from wsdiag.protocol.client_handshake import ClientHandshake
from wsdiag.protocol.errors import HandshakeError
from wsdiag.transport.dial import failures
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialReport

STRIPPED = "had not reached it"


def told(
    status: str,
    body: str | bytes = b"",
    *lines: str,
    url: str = "ws://a.test/ws",
    sent: tuple[tuple[str, str], ...] = (),
    given: tuple[str, ...] = (),
) -> str:
    """Message and hint for an answer to an upgrade, by the way that a dial takes."""
    content = body.encode() if isinstance(body, str) else body
    handshake = ClientHandshake("a.test", "/" + url.split("/", 3)[3], headers=sent)
    handshake.request()
    head = "\r\n".join([f"HTTP/1.1 {status}", *lines, f"Content-Length: {len(content)}", "", ""])
    with pytest.raises(HandshakeError) as caught:
        handshake.receive(head.encode("latin-1") + content)
        handshake.receive_eof()
    error = failures.handshake(caught.value, b"HTTP/1.1")
    response = caught.value.response
    assert response is not None
    error.report = DialReport(
        url,
        address="192.0.2.7:80",
        request_line=f"GET {handshake.target} HTTP/1.1",
        request_headers=tuple(handshake.request_headers),
        status=response.status,
        reason=response.reason,
        headers=tuple(response.headers),
        body=response.body,
        given=frozenset(given),
    )
    record = diagnose(url, error)
    return f"{record.message} | {record.hint}"


COOKIE = (("Cookie", "sid=" + "k" * 9000),)
JSON = "Content-Type: application/json"
LIGHTTPD_403 = (
    '<?xml version="1.0" encoding="iso-8859-1"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 '
    'Transitional//EN"\n         "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n<html '
    'xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">\n <head>\n  <title>403 '
    "Forbidden</title>\n </head>\n <body>\n  <h1>403 Forbidden</h1>\n </body>\n</html>\n"
)
LITESPEED_403 = (
    "<title> 403 Forbidden\r\n</title></head>\n<body><h1>403</h1>\n<h2>Forbidden\r\n</h2>\n"
    "<p>Access to this resource on the server is denied!</p>\n</body></html>\n"
)
PORTAL = "https://auth.example.com/?rd=https%3A%2F%2Fa.test%2Fws&rm=GET"
STOPPED = (
    '{"message": "JupyterHub server no longer running at /user/jane/api/kernels/1/channels. '
    'Restart the server at http://a.test/hub/spawn/jane"}'
)
# name: (the answer, words that are said, words that are not)
ANSWERS: dict[str, tuple[str, str, str]] = {
    "nginx, whose auth_request was told no": (
        told(
            "401 Unauthorized",
            "<center><h1>401 Authorization Required</h1></center>\n"
            "<hr><center>nginx/1.22.1</center>",
            "Server: nginx/1.22.1",
        ),
        "auth_request",
        "-u USER:PASSWORD",
    ),
    "nginx, which wants a password": (
        told(
            "401 Unauthorized",
            "<center><h1>401 Authorization Required</h1></center>\n"
            "<hr><center>nginx/1.22.1</center>",
            "Server: nginx/1.22.1",
            'WWW-Authenticate: Basic realm="x"',
        ),
        "-u",
        "auth_request",
    ),
    "Apache, whose backend is down": (
        told(
            "503 Service Unavailable",
            "<title>503 Service Unavailable</title><p>The server is temporarily unable to service "
            "your\nrequest due to maintenance downtime or capacity\nproblems.</p>",
            "Server: Apache/2.4.57 (Debian)",
        ),
        "retry=0",
        "health check",
    ),
    "an address in the wrong country": (
        told("451 ", '{"code":0,"msg":"Service unavailable from a restricted location"}', JSON),
        "legal reasons",
        "no longer offers",
    ),
    "App Runner, which knows no upgrades": (
        told("403 Forbidden", "", "server: envoy", url="ws://abc.us-east-1.awsapprunner.com/ws"),
        "has not passed WebSockets on",
        "upgrade_configs",
    ),
    "an ASP.NET Core application that does not start": (
        told(
            "500 Internal Server Error",
            "<h2>HTTP Error 500.30 - ASP.NET Core app failed to start</h2>",
            "Server: Microsoft-IIS/10.0",
        ),
        "could not start the application",
        "Web-WebSockets",
    ),
    "the same, in a process of its own": (
        told(
            "502 Bad Gateway",
            "<h2>HTTP Error 502.5 - ANCM Out-Of-Process Startup Failure</h2>",
            "Server: Microsoft-IIS/10.0",
        ),
        "could not start the application",
        "upstream address",
    ),
    "ARR's bad gateway is no application that does not start": (
        told(
            "502 Bad Gateway",
            "<h3>HTTP Error 502.3 - Bad Gateway</h3>",
            "Server: Microsoft-IIS/10.0",
        ),
        "could not use its backend",
        "could not start",
    ),
    "a web.config that is broken": (
        told(
            "500 Internal Server Error",
            "<h2>HTTP Error 500.19 - Internal Server Error</h2>",
            "Server: Microsoft-IIS/10.0",
        ),
        "cannot read its configuration",
        "Web-WebSockets",
    ),
    "an ngrok agent that does not run": (
        told(
            "404 Not Found",
            "The endpoint abc.ngrok-free.app is offline.",
            "ngrok-error-code: ERR_NGROK_3200",
        ),
        "ngrok has no agent",
        "strips Upgrade",
    ),
    "Azure App Service, whose page looks like Heroku's": (
        told(
            "503 Service Unavailable",
            "<title>Application Error</title><h1>:( Application Error</h1>"
            '<a href="https://app.scm.azurewebsites.net/detectors">diagnostic resources</a>',
        ),
        "Azure App Service",
        "Heroku",
    ),
    "an application error of nobody's": (
        told("503 Service Unavailable", "<title>Application Error</title>"),
        "takes no connection now",
        "Heroku",
    ),
    "Heroku's router": (
        told(
            "503 Service Unavailable",
            '<title>Application Error</title><iframe src="//www.herokucdn.com/error-pages/x.html">',
            "Server: cloudflare",
        ),
        "dyno",
        "health check",
    ),
    "Envoy and an upstream without TLS": (
        told(
            "503 Service Unavailable",
            "upstream connect error or disconnect/reset before headers. reset reason: remote "
            "connection failure, transport failure reason: TLS_error:|268435703:SSL "
            "routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end",
            "server: istio-envoy",
        ),
        "without a sidecar",
        "health check",
    ),
    "Envoy and an upstream that refuses": (
        told(
            "503 Service Unavailable",
            "upstream connect error or disconnect/reset before headers. reset reason: remote "
            "connection failure, transport failure reason: delayed connect error: 111",
            "server: envoy",
        ),
        "cannot use its upstream",
        "TLS with it failed",
    ),
    "Jetty without an endpoint": (
        told(
            "503 Service Unavailable",
            "<h2>HTTP ERROR 503 Endpoint Creation Failed</h2>",
            "Server: Jetty(9.4.54)",
        ),
        "WebSocketCreator",
        "health check",
    ),
    "a key that Jetty misses": (
        told(
            "400 Bad Request",
            "<h2>HTTP ERROR 400 Missing request header &apos;Sec-WebSocket-Key&apos;</h2>",
            "Server: Jetty(12.0.1)",
        ),
        "forward Sec-WebSocket-*",
        "missing parameter",
    ),
    "Cloud Run's instance that crashed": (
        told(
            "503 Service Unavailable",
            "The request failed because either the HTTP response was malformed or connection to "
            "the instance had an error.",
            "Server: Google Frontend",
        ),
        "memory",
        "health check",
    ),
    "Daphne, whose application closes before it accepts": (
        told("403 Access denied", ""),
        "AllowedHostsOriginValidator",
        "Phoenix",
    ),
    "a limit of connections, as Autobahn says it": (
        told("503 Service Unavailable", "maximum number of connections reached"),
        "a limit of requests or connections",
        "health check",
    ),
    "Envoy's fault injection": (
        told("503 Service Unavailable", "fault filter abort", "Server: envoy"),
        "fault injection answered",
        "health check",
    ),
    "Envoy's fault injection, by a status of its own": (
        told("418 I'm a teapot", "fault filter abort", "Server: istio-envoy"),
        "VirtualService",
        "Check the path",
    ),
    "Google's load balancer without a rule": (
        told("404 Not Found", "fault filter abort", "Via: 1.1 google"),
        "host or path rule of its URL map",
        "on purpose",
    ),
    "an application that tells of faults": (
        told("503 Service Unavailable", "our fault filter aborted it", "Server: envoy"),
        "takes no connection now",
        "fault injection",
    ),
    "lighttpd's own 403": (
        told("403 Forbidden", LIGHTTPD_403, "Server: lighttpd/1.4.69"),
        "url.access-deny",
        "Origin",
    ),
    "a 403 of what is behind lighttpd": (
        told("403 Forbidden", "Forbidden", "Server: lighttpd/1.4.69"),
        "the server refuses",
        "lighttpd refuses by itself",
    ),
    "LiteSpeed's own 403": (
        told("403 Forbidden", LITESPEED_403, "Server: LiteSpeed"),
        "Web Socket Proxy",
        "Origin",
    ),
    "a notebook server that is not running": (
        told(
            "424 Failed Dependency",
            STOPPED,
            JSON,
            "X-JupyterHub-Version: 5.2.1",
            url="ws://a.test/hub1/user/jane/api/kernels/1/channels",
        ),
        "has no running server",
        "a parameter or header",
    ),
    "a notebook server that is not running, by its page": (
        told(
            "424 Failed Dependency",
            "<h1>Server not running</h1><p>Your server is not running. Start it?</p>",
            "X-JupyterHub-Version: 5.2.1",
            url="ws://a.test/user/jane/api/kernels/1/channels",
        ),
        "has no running server",
        "a parameter or header",
    ),
    "Authelia's 401": (
        told(
            "401 Unauthorized",
            f'<a href="{PORTAL.replace("&", "&amp;")}">401 Unauthorized</a>',
            f"Location: {PORTAL}",
        ),
        "authelia_session",
        "-u USER:PASSWORD",
    ),
    "Authelia's 302": (told("302 Found", "", f"Location: {PORTAL}"), "login portal", "who gave it"),
    "the portal of the host itself": (
        told(
            "302 Found",
            "",
            "Location: https://a.test/outpost.goauthentik.io/start?rd=https%3A%2F%2Fa.test%2Fws",
        ),
        "login portal",
        "To follow it",
    ),
    "a portal of another host keeps https": (
        told(
            "302 Found",
            "",
            "Location: https://auth.example.com/?rd=https%3A%2F%2Fapp.example.com%2Fws&rm=GET",
            url="wss://app.example.com/ws",
        ),
        "to a login portal: https://auth.example.com/",
        "wss://auth",
    ),
    "https, and a query of ours with rd": (
        told(
            "301 Moved Permanently",
            "",
            "Location: https://a.test/ws?rd=https://a.test/x",
            url="ws://a.test/ws?rd=https://a.test/x",
        ),
        "301",
        "portal",
    ),
    "www, and a query of ours with rd": (
        told(
            "301 Moved Permanently",
            "",
            "Location: http://www.a.test/ws?rd=http://a.test/x",
            url="ws://a.test/ws?rd=http://a.test/x",
        ),
        "301",
        "login portal",
    ),
    "a host that is told to go on to a third one": (
        told("302 Found", "", "Location: https://b.test/?rd=https%3A%2F%2Fc.test%2Fws"),
        "302",
        "login portal",
    ),
    "an application that may not share a pool": (
        told(
            "500 Internal Server Error",
            "<h2>HTTP Error 500.34 - ANCM Mixed Hosting Models Not Supported</h2>",
            "Server: Microsoft-IIS/10.0",
        ),
        "pool of its own",
        ".NET runtime",
    ),
    "an application that starts slowly": (
        told(
            "500 Internal Server Error",
            "<h2>HTTP Error 500.37 - ANCM Failed to Start Within Startup Time Limit</h2>",
            "Server: Microsoft-IIS/10.0",
        ),
        "startupTimeLimit",
        ".NET runtime",
    ),
    "an upstream that wants a certificate of Envoy": (
        told(
            "503 Service Unavailable",
            "upstream connect error or disconnect/reset before headers. reset reason: remote "
            "connection failure, transport failure reason: TLS_error:|268436542:SSL "
            "routines:OPENSSL_internal:TLSV1_ALERT_CERTIFICATE_REQUIRED:TLS_error_end",
            "server: envoy",
        ),
        "mutual TLS",
        "plain text",
    ),
    "an upstream whose versions of TLS differ from Envoy's": (
        told(
            "503 Service Unavailable",
            "upstream connect error or disconnect/reset before headers. reset reason: remote "
            "connection failure, transport failure reason: TLS_error:|268436526:SSL "
            "routines:OPENSSL_internal:TLSV1_ALERT_PROTOCOL_VERSION:TLS_error_end",
            "server: envoy",
        ),
        "its versions",
        "certificate",
    ),
    "words of Jetty's in another's page": (
        told("503 Service Unavailable", '{"error":"Endpoint creation failed"}', JSON),
        "503",
        "WebSocketCreator",
    ),
    "nginx, whose rule wants a key": (
        told(
            "401 Unauthorized",
            "<center><h1>401 Authorization Required</h1></center>\n<hr><center>openresty</center>",
            "Server: openresty",
        ),
        "return 401",
        "-u USER:PASSWORD",
    ),
    "a token that is wrong or expired": (
        told("403 Forbidden", '{"error":"Invalid or expired token"}', JSON),
        "403",
        "no longer holds",
    ),
    "a token that is missing or expired": (
        told("403 Forbidden", '{"error":"token missing or expired"}', JSON),
        "403",
        "no longer holds",
    ),
    "a client that is too old": (
        told("400 Bad Request", '{"error":"outdated","message":"app version 3 is too old"}', JSON),
        "newer client",
        STRIPPED,
    ),
    "a client that is too old, by 426": (
        told("426 Upgrade Required", '{"minimum":"5.2","message":"please upgrade your app"}'),
        "please upgrade your app",
        STRIPPED,
    ),
    "a plan to upgrade": (
        told("400 Bad Request", "Upgrade to the Pro plan to use streaming."),
        "Upgrade to the Pro plan",
        STRIPPED,
    ),
    "a policy in a page": (
        told(
            "400 Bad Request",
            '<meta http-equiv="Content-Security-Policy" content="upgrade-insecure-requests">No',
        ),
        "400 Bad Request: No",
        STRIPPED,
    ),
    "a policy in a header": (
        told("400 Bad Request", "?", "Content-Security-Policy: upgrade-insecure-requests"),
        "did not accept the request",
        STRIPPED,
    ),
    "Upgrade stripped, as ws says it": (
        told("426 Upgrade Required", "Upgrade Required"),
        STRIPPED,
        "newer",
    ),
    "Upgrade stripped, as gorilla says it": (
        told(
            "400 Bad Request",
            "Bad Request\nwebsocket: the client is not using the websocket protocol: "
            "'upgrade' token not found in 'Connection' header",
        ),
        STRIPPED,
        "missing parameter",
    ),
    "Upgrade stripped, as Tornado says it": (
        told("400 Bad Request", 'Can "Upgrade" only to "WebSocket".'),
        STRIPPED,
        "missing parameter",
    ),
    "Upgrade stripped, as aiohttp says it": (
        told("400 Bad Request", "No WebSocket UPGRADE hdr: None"),
        STRIPPED,
        "missing parameter",
    ),
    "Upgrade stripped, as Netty says it": (
        told("400 Bad Request", "not a WebSocket handshake request: missing upgrade"),
        STRIPPED,
        "missing parameter",
    ),
    "a 204, which is no page": (
        told("204 No Content", "", "Server: nginx"),
        "opens nothing",
        "web page",
    ),
    "an empty 200, which is no page": (told("200 OK", ""), "opens nothing", "web page"),
    "HAProxy's tarpit": (
        told(
            "500 Internal Server Error",
            "<html><body><h1>500 Internal Server Error</h1>\n"
            "An internal server error occurred.\n</body></html>\n",
        ),
        "tarpit",
        "raised an error",
    ),
    "Squid, asked as a server, whose page has words about hostnames": (
        told(
            "400 Bad Request",
            "<p>Missing hostname</p><p>Illegal character in hostname; underscores are not "
            "allowed.</p>",
            "Server: squid/5.7",
            "X-Squid-Error: ERR_INVALID_URL 0",
        ),
        "Squid was asked as if it were the server",
        "allowedHosts",
    ),
    "Apache's own 403": (
        told(
            "403 Forbidden",
            "<html><head>\n<title>403 Forbidden</title>\n</head><body>\n<h1>Forbidden</h1>\n"
            "<p>You don't have permission to access this resource.</p>\n</body></html>\n",
            "Server: Apache/2.4.57 (Debian)",
        ),
        "Apache refuses by itself",
        "Origin",
    ),
    "Varnish's own 403": (
        told(
            "403 Forbidden",
            "<h1>Error 403</h1>\n<p>XID: 2</p>\n    <hr>\n    <p>Varnish cache server</p>",
            "X-Varnish: 2",
        ),
        "Varnish answered by itself",
        "Origin",
    ),
    "a 101 that was made a 200": (
        told("200 OK", "", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "over its 101",
        "web page",
    ),
    "Fastly, which has no pipe": (
        told("503 Backend fetch failed", "", "Via: 1.1 varnish", "X-Served-By: cache-fra-1-FRA"),
        "return (upgrade)",
        "return (pipe)",
    ),
    "a hosting account's limit": (
        told("508 Resource Limit Is Reached", "exceeded resource limit"),
        "hosting account",
        "raised an error",
    ),
    "a status of a CDN's own": (told("533", "draining"), "of its own", "raised an error"),
    "the AWS balancer's identity provider": (
        told("561", "", "Server: awselb/2.0"),
        "identity provider",
        "raised an error",
    ),
    "561 of another server": (told("561", "", "Server: x"), "of its own", "AWS"),
    "Cloud Run without an instance": (
        told("429 Too Many Requests", "Rate exceeded.", "Server: Google Frontend"),
        "maximum of instances",
        "Retry-After",
    ),
    "a token in the query that is not valid": (
        told(
            "401 Unauthorized",
            "",
            'WWW-Authenticate: Bearer error="invalid_token"',
            url="ws://a.test/hub?access_token=x",
        ),
        "Fetch a new token",
        "requires a bearer token",
    ),
    "invalid_token where none was sent": (
        told("401 Unauthorized", "", 'WWW-Authenticate: Bearer error="invalid_token"'),
        "requires a bearer token",
        "Fetch a new token",
    ),
    "Upgrade stripped, in gzip": (
        told("400 Bad Request", gzip.compress(b"Missing Upgrade header"), "Content-Encoding: gzip"),
        STRIPPED,
        "missing parameter",
    ),
    "Upgrade stripped, as the Kubernetes API says it": (
        told(
            "400 Bad Request",
            '{"kind":"Status","apiVersion":"v1","message":"Upgrade request required"}',
            JSON,
        ),
        STRIPPED,
        "missing parameter",
    ),
    "an old API, by its version": (
        told("426 Upgrade Required", '{"message":"API version v1 needs an upgrade request"}', JSON),
        "newer version",
        STRIPPED,
    ),
    "a TLS port, as Tomcat says it": (
        told("400 ", "Bad Request\nThis combination of host and port requires TLS.\n"),
        "expects TLS",
        "missing parameter",
    ),
    "a TLS port, as CherryPy says it": (
        told(
            "400 Bad Request",
            "The client sent a plain HTTP request, but this server only speaks HTTPS on this port.",
        ),
        "expects TLS",
        "missing parameter",
    ),
    "a Host that is not in the list": (
        told("403 Forbidden", 'Blocked request. This host ("a.test") is not allowed.'),
        "Host header",
        "Origin header is missing",
    ),
    "a page about a host": (
        told("403 Forbidden", "<p>You are not allowed to host files here.</p>"),
        "the server refuses",
        "allowedHosts",
    ),
    "a key that was removed on the way": (
        told("400 Bad Request", "Missing or invalid Sec-WebSocket-Key header"),
        "forward Sec-WebSocket-*",
        "missing parameter",
    ),
    "an origin, as coder/websocket says it": (
        told(
            "403 Forbidden", 'request Origin "https://b.test" is not authorized for Host "a.test"'
        ),
        "refuses the origin",
        "firewall",
    ),
    "an origin, as Engine.IO for Python says it": (
        told("400 Bad Request", '"https://b.test is not an accepted origin."'),
        "refuses the origin",
        "missing parameter",
    ),
    "API Gateway's rate": (
        told("429 Too Many Requests", "", "x-amzn-ErrorType: LimitExceededException"),
        "jitter",
        "STAGE",
    ),
    "CloudFront's own page": (
        told(
            "403 Forbidden",
            "<H1>403 ERROR</H1><H2>The request could not be satisfied.</H2>",
            "Via: 1.1 a.cloudfront.net (CloudFront)",
        ),
        "alternate domain names",
        "--origin",
    ),
    "a web filter's page": (
        told("403 Forbidden", "<title>Web Filter Violation</title>FortiGuard"),
        "web filter answered",
        "--origin",
    ),
    "a site about firewalls": (
        told("403 Forbidden", "<p>Log in to read our kaspersky reviews.</p>"),
        "the server refuses",
        "web filter",
    ),
    "a session of another process": (
        told(
            "400 Bad Request",
            '{"code":1,"message":"Session ID unknown"}',
            JSON,
            url="ws://a.test/socket.io/?EIO=4&transport=websocket&sid=b",
        ),
        "sticky",
        "Connect to /socket.io/",
    ),
    "nginx's own 500": (
        told("500 Internal Server Error", "<hr><center>nginx/1.24.0</center>", "Server: nginx"),
        "auth_request",
        "its code raised",
    ),
    "an application's 500 behind nginx": (
        told("500 Internal Server Error", "Oops", "Server: nginx"),
        "its code raised",
        "auth_request",
    ),
    "Envoy and HTTP/1.0": (
        told("426 Upgrade Required", "", "server: envoy"),
        "HTTP/1.0",
        "newer version",
    ),
    "a tunnel that is not connected": (
        told("530 ", "error code: 1033", "Server: cloudflare"),
        "cloudflared",
        "521: it refuses",
    ),
    "server-sent events": (
        told("200 OK", "data: tick\n\n", "Content-Type: text/event-stream; charset=utf-8"),
        "server-sent events",
        "web page",
    ),
    "two challenges": (
        told("401 Unauthorized", "", "WWW-Authenticate: Basic", "WWW-Authenticate: Bearer"),
        "asks for Basic, Bearer",
        "asks for Bearer.",
    ),
    "Spring's refusal of an origin": (
        told("403 ", "Invalid CORS request"),
        "refuses the origin",
        "firewall",
    ),
    "API Gateway": (
        told("403 Forbidden", '{"message":"Forbidden"}', "x-amzn-ErrorType: ForbiddenException"),
        "/STAGE)",
        "--origin",
    ),
    "Cloudflare's firewall": (
        told("403 Forbidden", "error code: 1020", "Server: cloudflare", "CF-RAY: 8a1b-FRA"),
        "Ray ID (8a1b-FRA)",
        "--origin",
    ),
    "Traefik without a router": (
        told("404 Not Found", "404 page not found\n"),
        "entry point",
        "Action Cable",
    ),
    "Kong without a route": (
        told("404 Not Found", '{"message":"no Route matched with those values"}'),
        "gateway has no route",
        "strips Upgrade",
    ),
    "our own -H": (
        told("426 Upgrade Required", "Upgrade Required", sent=(("Connection", "close"),)),
        "-H replaced",
        STRIPPED,
    ),
    "414": (
        told("414 URI Too Long", url="ws://a.test/ws?t=" + "q" * 9000),
        "path and query 90",
        "Check the path",
    ),
    "431": (
        told("431 Request Header Fields Too Large", sent=COOKIE),
        "Cookie 90",
        "Check the path",
    ),
    "413": (told("413 Payload Too Large", sent=COOKIE), "size of its head", "Check the path"),
    "400 of nginx for size": (
        told(
            "400 Bad Request", "<title>400 Request Header Or Cookie Too Large</title>", sent=COOKIE
        ),
        "too large",
        "missing parameter",
    ),
    "400 of Tomcat for size": (
        told("400 Bad Request", "Request header is too large", sent=COOKIE),
        "Cookie 90",
        "missing parameter",
    ),
    "400 of Apache for size": (
        told(
            "400 Bad Request", "Size of a request header field exceeds server limit.", sent=COOKIE
        ),
        "Cookie 90",
        "missing parameter",
    ),
    "400 of Node.js for anything, with a large head": (
        told("400 Bad Request", "", sent=COOKIE),
        "Cookie 90",
        "a Host it does not know",
    ),
    "400 with a reason, with a large head": (
        told("400 Bad Request", "unknown room", sent=COOKIE),
        "unknown room",
        "head is large",
    ),
    "NTLM": (
        told("401 Unauthorized", "", "WWW-Authenticate: Negotiate", "WWW-Authenticate: NTLM"),
        "Windows authentication (Negotiate, NTLM)",
        "-u",
    ),
    "Digest": (
        told(
            "401 Unauthorized", "", 'WWW-Authenticate: Digest realm="a, b", qop="auth", nonce="x"'
        ),
        "Digest",
        "-u",
    ),
    "NTLM or Basic": (
        told("401 Unauthorized", "", "WWW-Authenticate: NTLM, Basic realm=x"),
        "-u USER:PASSWORD",
        "Windows",
    ),
    "Basic sent where Bearer is wanted": (
        told(
            "401 Unauthorized",
            "",
            "WWW-Authenticate: Bearer",
            sent=(("Authorization", "Basic eA=="),),
        ),
        "does not take Basic credentials",
        "-u USER",
    ),
    "a bearer token that expired": (
        told(
            "401 Unauthorized",
            "",
            'WWW-Authenticate: Bearer error="invalid_token", error_description="expired"',
            sent=(("Authorization", "Bearer xyz"),),
        ),
        'error_description="expired"',
        "No Authorization header",
    ),
    "Basic sent where NTLM is wanted": (
        told(
            "401 Unauthorized",
            "",
            "WWW-Authenticate: NTLM",
            sent=(("Authorization", "Basic eA=="),),
        ),
        "Basic credentials will not be taken",
        "-u",
    ),
    "an ASGI framework without a route": (
        told("403 Forbidden"),
        "the path /ws",
        "refuses the origin",
    ),
    "Django Channels, by daphne": (told("403 Access denied"), "the path /ws", "refuses the origin"),
    "Envoy without upgrades": (
        told("403 Forbidden", "", "server: envoy"),
        "upgrade_configs",
        "Origin",
    ),
    "Envoy in front of a server that refuses": (
        told("403 Forbidden", "", "server: envoy", "x-envoy-upstream-service-time: 3"),
        "the path /ws",
        "upgrade_configs",
    ),
    "Envoy's RBAC": (
        told("403 Forbidden", "RBAC: access denied", "server: istio-envoy"),
        "AuthorizationPolicy",
        "upgrade_configs",
    ),
    "a token that is missing": (
        told("403 Forbidden", '{"message":"Missing Authentication Token"}'),
        "what it misses",
        "Origin header is missing",
    ),
    "nginx's own refusal": (
        told("403 Forbidden", "<hr><center>nginx/1.22.1</center>", "Server: nginx/1.22.1"),
        "deny",
        "Origin header",
    ),
    "a 426 that names nothing": (
        told("426 Upgrade Required", "", "X-Min-Version: 7"),
        "newer version",
        STRIPPED,
    ),
    "Traffic Server without its server": (
        told("502 Next Hop Connection Failed", "", "Server: ATS/9.2.3"),
        "could not use its backend",
        "remap",
    ),
    "CSRF is not the origin": (
        told("403 Forbidden", "CSRF token missing or invalid"),
        "X-CSRF-Token",
        "refuses the origin",
    ),
    "an origin server that is down": (
        told("403 Forbidden", "no origin server is available"),
        "no origin server",
        "refuses the origin",
    ),
    "Action Cable": (
        told(
            "404 Not Found", "Page not found", "Content-Type: text/plain", url="ws://a.test/cable"
        ),
        "allowed_request_origins",
        "slash counts",
    ),
    "Traffic Server without a rule": (
        told("404 Not Found on Accelerator", "", "Server: ATS/9.2.3"),
        "map ws://",
        "slash counts",
    ),
    "Varnish without pipe": (
        told("404 Not Found", "", "Via: 1.1 varnish", "X-Varnish: 5"),
        "return (pipe)",
        "nginx",
    ),
    "Varnish, and the server's own reason": (
        told("400 Bad Request", "origin not allowed", "X-Varnish: 5"),
        "refuses the origin",
        "pipe",
    ),
    "lighttpd without upgrade": (
        told("426 Upgrade Required", "Upgrade Required", "Server: lighttpd/1.4.69"),
        '"upgrade" => "enable"',
        "nginx",
    ),
    "Squid": (
        told("503 Service Unavailable", "", "Server: squid/5.7", "X-Squid-Error: ERR_DNS_FAIL 0"),
        "X-Squid-Error: ERR_DNS_FAIL 0",
        "health check",
    ),
    "IIS without its feature": (
        told("404 Not Found", "", "Server: Microsoft-IIS/10.0"),
        "Web-WebSockets",
        "nginx",
    ),
    "Kestrel": (
        told("400 Bad Request", "", "Server: Kestrel"),
        "UseWebSockets",
        "Host it does not know",
    ),
    "gunicorn with WSGI": (
        told("404 NOT FOUND", "<h1>Not Found</h1>", "Server: gunicorn"),
        "ASGI",
        "strips",
    ),
    "FastAPI without a WebSocket library": (
        told("404 Not Found", '{"detail":"Not Found"}', "Server: uvicorn"),
        "uvicorn[standard]",
        "slash counts",
    ),
    "Express": (
        told("404 Not Found", "<pre>Cannot GET /ws</pre>", "X-Powered-By: Express"),
        "Express",
        "Ingress",
    ),
    "Go's middleware": (
        told("500 Internal Server Error", "websocket: response does not implement http.Hijacker\n"),
        "middleware",
        "raised an error",
    ),
    "501": (told("501 Not Implemented"), "does not implement the upgrade", "raised an error"),
    "a PROXY header where none is expected": (
        told("400 Bad Request", "Bad request syntax ('PROXY TCP4 192.0.2.1 192.0.2.2 5 80')"),
        "send-proxy",
        "missing parameter",
    ),
    "Socket.IO, bare": (told("400 Bad Request", "Transport unknown"), "EIO=4", "missing parameter"),
    "python-socketio": (
        told(
            "400 BAD REQUEST",
            '"The client is using an unsupported version of the Socket.IO or Engine.IO protocols"',
        ),
        "EIO=4",
        "newer client",
    ),
    "SignalR": (
        told("400 Bad Request", "Connection ID required"),
        "/negotiate",
        "missing parameter",
    ),
    "a rate limit behind a 503": (
        told("503 Service Unavailable", '{"error":"rate limit exceeded"}', "Retry-After: 17"),
        "Retry-After: 17",
        "health check",
    ),
    "a 503 that says when": (
        told("503 Service Unavailable", "", "Retry-After: 120"),
        "Retry-After: 120",
        "fails on a WebSocket-only server",
    ),
    "limit_req of nginx": (
        told("503 Service Temporarily Unavailable", "<center>nginx</center>", "Server: nginx"),
        "limit_req",
        "no backend is available",
    ),
    "a portal that asks which client it is": (
        told("302 Found", "", "Location: http://wifi.example/?res=notyet&uamip=10.1.0.1&mac=AA"),
        "a captive portal's redirect",
        "requires a session first",
    ),
    "a portal that will lead back": (
        told("302 Found", "", "Location: http://welcome.example/login?url=http%3A%2F%2Fa.test%2F"),
        "a captive portal's redirect",
        "requires a session first",
    ),
    "FortiGate's login page": (
        told("303 See Other", "", "Location: http://10.10.0.1:1000/fgtauth?0a1b2c"),
        "a captive portal's redirect",
        "requires a session first",
    ),
    "an address without a name": (
        told("302 Found", "", "Location: http://192.0.2.1/login.html"),
        "to a bare address: http://192.0.2.1/login.html",
        "requires a session first",
    ),
    "an unrelated host": (
        told("302 Found", "", "Location: http://start.example/"),
        "nothing shows who gave it",
        "That looks like this network's captive portal",
    ),
    "another host of the same domain": (
        told("302 Found", "", "Location: https://www.a.test/login?next=/ws"),
        "to a login page: wss://www.a.test/login",
        "captive",
    ),
    "single sign-on elsewhere": (
        told("302 Found", "", "Location: https://sso.example/oauth2/authorize?client_id=7"),
        "requires a session first",
        "captive",
    ),
    "a module that is missing": (
        told("503 Service Unavailable", "<title>Error 503 Unsupported upgrade</title>"),
        "does not know this upgrade",
        "no backend",
    ),
    "a page about maintenance": (
        told("503 Service Unavailable", "<title>Down for maintenance</title>"),
        "in maintenance",
        "no backend",
    ),
    "a 503 that says nothing": (
        told("503 Service Unavailable", ""),
        "or a proxy in front of it",
        "no backend is available",
    ),
    "HAProxy's 503": (
        told(
            "503 Service Unavailable", "<h1>503</h1>No server is available to handle this request."
        ),
        "no backend is available",
        "maintenance",
    ),
    "a pool that stopped": (
        told("503 Service Unavailable", "", "Server: Microsoft-HTTPAPI/2.0"),
        "application pool",
        "health check",
    ),
    "a name that IIS does not bind": (
        told("400 Bad Request", "Bad Request - Invalid Hostname", "Server: Microsoft-HTTPAPI/2.0"),
        "does not accept the name a.test",
        "WebSocket Protocol feature",
    ),
    "a dyno that crashed": (
        told(
            "503 Service Unavailable",
            '<title>Application Error</title><iframe src="//www.herokucdn.com/error-pages/x.html">',
            "Server: heroku-router",
        ),
        "heroku logs",
        "health check",
    ),
    "an upstream without an address, by Kong": (
        told("503 Service Temporarily Unavailable", '{"message":"name resolution failed"}'),
        "cannot look up the name of the server behind it",
        "no backend",
    ),
    "an upstream without an address, by Apache": (
        told("502 Proxy Error", "Reason: <strong>DNS lookup failure for: backend</strong>"),
        "cannot look up the name of the server behind it",
        "speak TLS",
    ),
    "a token in the query that expired": (
        told("401 Unauthorized", '{"error":"jwt expired"}', url="ws://a.test/ws?t=1"),
        "Fetch a new one",
        "requires authentication",
    ),
    "a hotspot is no bar's news": (
        told("200 OK", "<title>News</title>The new hotspot in town. Accept the terms of our shop."),
        "News",
        "captive portal",
    ),
    "a captive portal": (
        told("200 OK", "<title>Guest Wi-Fi</title>Accept the terms"),
        "captive portal",
        "strips Upgrade",
    ),
    "a problem document": (
        told(
            "403 Forbidden",
            '{"type":"about:blank","status":403,"title":"No seat","detail":"Plan full"}',
            "Content-Type: application/problem+json",
        ),
        '"title":"No seat","detail":"Plan full"',
        "with an empty body",
    ),
    "a reason in a header": (
        told("403 Forbidden", "", "X-Error-Reason: key revoked"),
        "X-Error-Reason: key revoked",
        "refuses the origin",
    ),
    "Cloudflare's own page": (
        told("403 Forbidden", "<hr><center>cloudflare</center>", "Server: cloudflare"),
        "Cloudflare refuses by itself",
        "its own reason",
    ),
    "a page of the origin's behind Cloudflare": (
        told("403 Forbidden", "<hr><center>nginx</center>", "Server: cloudflare"),
        "nginx refuses by itself",
        "Cloudflare refuses",
    ),
    "the AWS balancer's last rule": (
        told("404 Not Found", "", "Server: awselb/2.0"),
        "no rule for this request",
        "strips Upgrade",
    ),
    "Spring's 403, which gives no reason": (
        told("403 ", '{"timestamp":"x","status":403,"error":"Forbidden","path":"/ws"}', JSON),
        "Origin header is missing",
        "its own reason",
    ),
    "a reason among what any answer has": (
        told("403 ", '{"status":403,"error":"Forbidden","info":"The tenant was suspended"}', JSON),
        "its own reason",
        "Origin header is missing",
    ),
    "a reason in the place of a status": (
        told("403 ", '{"status":"account suspended since May","code":403}', JSON),
        "its own reason",
        "Origin header is missing",
    ),
    "Engine.IO by polling": (
        told(
            "200 OK",
            '0{"sid":"a","upgrades":["websocket"],"pingInterval":25000}',
            url="ws://a.test/socket.io/?EIO=4&transport=polling",
        ),
        "Ask for the WebSocket: transport=websocket",
        "took us for a browser",
    ),
    "SockJS's information": (
        told(
            "200 OK",
            '{"websocket":true,"origins":["*:*"],"cookie_needed":false,"entropy":1}',
            JSON,
            url="ws://a.test/ws/info",
        ),
        "/websocket in the place of /info",
        "strips Upgrade",
    ),
    "a 404 whose reason has quotes in it": (
        told("404 Not Found", '{"kind":"Status","message":"pods \\"x\\" not found"}', JSON),
        "what was not found",
        "strips Upgrade",
    ),
    "a proxy in Go without what is behind it": (
        told(
            "500 Internal Server Error",
            '{"message":"error dialing backend: dial tcp 10.0.0.1:10250: connect: refused"}',
            JSON,
        ),
        "could not reach what is behind it",
        "its code raised",
    ),
    "a proxy in Node.js without what is behind it": (
        told("500 Internal Server Error", "Proxy error: a to http://b:3000/ (ECONNREFUSED)"),
        "could not reach what is behind it",
        "its code raised",
    ),
    "Envoy's authorizer": (
        told("403 Forbidden", "", "server: envoy"),
        "ext_authz",
        "refuses the upgrade",
    ),
    "a version that did not arrive": (
        told("426 Upgrade Required", "", "Sec-WebSocket-Version: 13"),
        "removed it",
        "newer version of the client",
    ),
    "a ticket that was used": (
        told("401 Unauthorized", "ticket already used", url="ws://a.test/ws?ticket=x"),
        "Fetch a new one",
        "-u USER",
    ),
    "a Worker that raised an error": (
        told("500 Internal Server Error", "error code: 1101", "Server: cloudflare"),
        "a Cloudflare Worker failed",
        "its code raised",
    ),
    "a Worker that used up its CPU": (
        told("503 Service Unavailable", "error code: 1102", "Server: cloudflare"),
        "a Cloudflare Worker failed",
        "health check",
    ),
    "an origin whose answer Cloudflare cannot use": (
        told("520 ", "error code: 520", "Server: cloudflare"),
        "520: it ended the connection",
        "raised an error",
    ),
    "AppSync": (
        told(
            "401 Unauthorized",
            "",
            "x-amzn-ErrorType: UnauthorizedException",
            url="wss://abc.appsync-api.us-east-1.amazonaws.com/graphql",
        ),
        "appsync-realtime-api",
        "STAGE",
    ),
    "AWS IoT": (
        told(
            "403 Forbidden",
            '{"message":"Forbidden","traceId":"a2b"}',
            "x-amzn-ErrorType: ForbiddenException",
            url="wss://abc-ats.iot.eu-west-1.amazonaws.com/mqtt",
        ),
        "SigV4",
        "STAGE",
    ),
    "a function URL of Lambda": (
        told(
            "403 Forbidden",
            '{"Message":"Forbidden"}',
            "x-amzn-ErrorType: AccessDeniedException",
            url="wss://abc.lambda-url.eu-west-1.on.aws/",
        ),
        "no WebSocket opens there",
        "an authorizer on $connect",
    ),
    "API Gateway by its own name": (
        told(
            "403 Forbidden",
            "",
            "x-amzn-ErrorType: ForbiddenException",
            url="wss://abc.execute-api.eu-west-1.amazonaws.com/",
        ),
        "the URL lacks the stage",
        "SigV4",
    ),
    "a subscription key of Azure": (
        told(
            "401 Access Denied",
            "",
            'WWW-Authenticate: AzureApiManagementKey realm="x",'
            'name="Ocp-Apim-Subscription-Key",type="header"',
        ),
        "-H 'Ocp-Apim-Subscription-Key: KEY'",
        "-H 'Authorization",
    ),
    "GKE without a rule": (
        told(
            "404 Not Found",
            "response 404 (backend NotFound), service rules for [ /ws ] non-existent",
        ),
        "No Ingress rule",
        "strips Upgrade",
    ),
    "Cloud Run without the service": (
        told(
            "404 Not Found",
            "<title>404 Page not found</title>\n<h1>Error: Page not found</h1>",
            "Server: Google Frontend",
        ),
        "ingress setting",
        "strips Upgrade",
    ),
    "Phoenix, one level above": (
        told(
            "404 Not Found",
            "# Phoenix.Router.NoRouteError at GET /socket",
            url="ws://a.test/socket",
        ),
        "Append /websocket",
        "nothing at",
    ),
    "an address that Home Assistant banned": (
        told("403 Forbidden", "403: Forbidden", url="ws://a.test/api/websocket"),
        "ip_bans.yaml",
        "--origin",
    ),
    "aiohttp's 403 elsewhere": (told("403 Forbidden", "403: Forbidden"), "--origin", "ip_bans"),
    "the origin of its own that is refused": (
        told("403 Forbidden", "Origin not allowed", sent=(("Origin", "http://a.test"),)),
        "proxy_set_header Host $http_host",
        "its own reason",
    ),
    "an origin, as gorilla/websocket refuses it": (
        told(
            "403 Forbidden",
            "Forbidden\n",
            "Sec-Websocket-Version: 13",
            sent=(("Origin", "https://b.test"),),
        ),
        "CheckOrigin",
        "a firewall blocks",
    ),
    "gorilla/websocket in front of what refuses without an origin": (
        told("403 Forbidden", "Forbidden\n", "Sec-Websocket-Version: 13"),
        "the server refuses: 403",
        "CheckOrigin",
    ),
    "GraphQL over HTTP, as Apollo says it": (
        told(
            "400 Bad Request",
            '{"errors":[{"message":"This operation has been blocked as a potential Cross-Site '
            "Request Forgery (CSRF). Please either specify a 'content-type' header (with "
            "a type that is not one of application/x-www-form-urlencoded, multipart/form-data, "
            "text/plain) or provide a non-empty value for one of the following headers: "
            "x-apollo-operation-name, "
            'apollo-require-preflight"}]}',
            JSON,
            url="ws://a.test/graphql",
        ),
        "took the upgrade for a query",
        "X-CSRF-Token",
    ),
    "GraphQL over HTTP, as express-graphql says it": (
        told("400 Bad Request", '{"errors":[{"message":"Must provide query string."}]}', JSON),
        "took the upgrade for a query",
        "a Host it does not know",
    ),
    "Envoy and what is no HTTP": (
        told(
            "502 Bad Gateway",
            "upstream connect error or disconnect/reset before headers. "
            "reset reason: protocol error",
            "server: envoy",
        ),
        "speaks HTTP/1.1 on that port",
        "a proxy (envoy)",
    ),
    "Linkerd's reason": (
        told("502 Bad Gateway", "", "l5d-proxy-error: connect timed out after 1s"),
        "connect timed out after 1s",
        "X-",
    ),
    "a reason as RFC 9209 has it": (
        told("502 Bad Gateway", "", "Proxy-Status: cdn.test; error=connection_refused"),
        "error=connection_refused",
        "X-",
    ),
    "a limit, by the headers of today": (
        told(
            "429 Too Many Requests",
            "",
            "X-RateLimit-Limit: 100",
            "X-RateLimit-Remaining: 0",
            "X-RateLimit-Reset: 1767225600",
            "Retry-After: 30",
        ),
        "429 Too Many Requests, with an empty body; X-RateLimit-Limit: 100; "
        "X-RateLimit-Remaining: 0; X-RateLimit-Reset: 1767225600",
        "not given",
    ),
    "a hub's service is nobody's own server": (
        told(
            "503 Service Unavailable",
            "<p>Service monitoring is not running</p>",
            "X-JupyterHub-Version: 5.2.1",
            url="ws://a.test/services/monitoring/ws",
        ),
        "503",
        "has no running server",
    ),
    "a limit of which many headers tell": (
        told(
            "429 Too Many Requests",
            "",
            "X-RateLimit-Limit-Second: 5",
            "X-RateLimit-Limit-Minute: 50",
            "X-RateLimit-Limit-Hour: 500",
            "X-RateLimit-Remaining-Second: 0",
            "RateLimit-Reset: 1",
        ),
        "X-RateLimit-Remaining-Second: 0; RateLimit-Reset: 1",
        "Limit-Hour",
    ),
    "a limit, by the draft's header": (
        told(
            "503 Service Unavailable",
            "",
            "x-request-failure: shed",
            'RateLimit: "per-address";r=0;t=12',
            "Retry-After: 12",
        ),
        'x-request-failure: shed; RateLimit: "per-address";r=0;t=12',
        "not given",
    ),
    "a limit that did not refuse": (
        told("403 Forbidden", "", "X-RateLimit-Remaining: 99"),
        "403 Forbidden",
        "RateLimit",
    ),
    "a platform's reason": (
        told("504 Gateway Timeout", "", "x-do-failure-msg: no answer of the app's"),
        "no answer of the app's",
        "X-",
    ),
    "DevTools by a container's name": (
        told(
            "500 Internal Server Error",
            "Host header is specified and is not an IP address or localhost.",
            url="ws://chrome:9222/devtools/browser/1",
        ),
        "-H 'Host: localhost'",
        "its code raised",
    ),
    "DevTools of an earlier browser": (
        told("404 Not Found", "", url="ws://a.test:9222/devtools/browser/1"),
        "/json/version",
        "strips Upgrade",
    ),
    "the inspector of Node.js": (
        told("400 Bad Request", "WebSockets request was expected\r\n", url="ws://a.test:9229/x"),
        "/json/list",
        "missing parameter",
    ),
    "a name with an underscore": (
        told(
            "400 Bad Request",
            "Invalid HTTP_HOST header: 'my_app:8000'. The domain name provided is not valid "
            "according to RFC 1034/1035.",
            url="ws://my_app:8000/ws",
        ),
        "underscore",
        "ALLOWED_HOSTS",
    ),
    "Wordfence": (
        told("503 Service Unavailable", "<p>Generated by Wordfence at Mon</p>"),
        "web application firewall",
        "health check",
    ),
    "another path than that of ws": (
        told("400 Bad Request", "Bad Request", "Content-Type: text/html"),
        "not its own (/ws)",
        "changed the upgrade's headers",
    ),
    "a redirect that only spells the URL otherwise": (
        told("301 Moved", "", "Location: https://A.test:443/ws", url="wss://a.test/ws"),
        "A loop",
        "should be right",
    ),
    "a redirect that gives up TLS": (
        told("301 Moved", "", "Location: http://a.test/ws/", url="wss://a.test/ws"),
        "X-Forwarded-Proto",
        "-L",
    ),
    "a relative redirect keeps TLS on any port": (
        told("301 Moved", "", "Location: /ws/", url="wss://a.test:8443/ws"),
        "to wss://a.test:8443/ws/ ",
        "ws://a.test:8443/ws/,",
    ),
    "a redirect to the backend's name": (
        told("301 Moved", "", "Location: http://backend:8080/ws/", url="wss://a.test/ws"),
        "proxy_set_header Host",
        "captive portal",
    ),
    "a redirect to localhost": (
        told("301 Moved", "", "Location: http://localhost:3000/ws/", url="ws://a.test/ws"),
        "proxy_set_header Host",
        "captive portal",
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_told_by_its_evidence(name: str) -> None:
    text, said, unsaid = ANSWERS[name]
    assert said in text
    assert unsaid not in text


def test_an_origin_that_was_sent_is_not_proposed_again() -> None:
    own = (("Origin", "http://a.test"),)
    assert "--origin" not in told("403 Forbidden", "Origin not allowed", sent=own)
    assert "--origin http://a.test" in told("403 Forbidden", "Origin not allowed")


def test_an_upgrade_to_tls_is_not_proposed_over_tls() -> None:
    answer = ("426 Upgrade Required", "", "Upgrade: TLS/1.2")
    assert "wss://a.test/ws" in told(*answer)
    assert "Use wss://" not in told(*answer, url="wss://a.test/ws")


GIVEN = DialOptions(
    insecure=True,
    cacert="ca.pem",  # type: ignore[arg-type]
    cert="c.pem",  # type: ignore[arg-type]
    location=True,
    family=4,
    compression=True,
    proxy="http://proxy.test:1",
).given | {"-6", "--no-compression"}
# What there is no sense in giving twice; others can be given again with another value.
PROPOSED = re.compile(
    r"(?<![\w-])(-k|--cert FILE|-L|--compression|--no-compression)(?![\w-])"
    r"|(?<!Leave out )(?<![\w-])-[46](?![\w-])"
)


def test_no_hint_proposes_an_option_that_was_given() -> None:
    for hint in hints():
        code = hint.example.get("code") or hint.codes[0]
        message, advice = explain(code, {**hint.example, "given": " ".join(GIVEN)}, GIVEN)
        assert not PROPOSED.search(advice or ""), (message, advice)


def test_options_are_proposed_where_they_were_not_given() -> None:
    assert "--no-compression" in (explain("extension-invalid", {"message": "x"})[1] or "")
    assert "--no-compression" not in (
        explain("extension-invalid", {"message": "x"}, {"--no-compression"})[1] or ""
    )


@pytest.mark.parametrize(
    "body",
    ["<" * 4096, "<title" * 600, "upgrade " * 512, "no origin " * 400, "proxy request " * 290],
    ids=["tags", "titles", "upgrades", "origins", "proxies"],
)
def test_patterns_take_hostile_bodies_in_no_time(body: str) -> None:
    # quadratic ones would take minutes on a text a hundred times as long
    text = body * 100
    for hint in hints():
        for _, pattern in hint.where:
            pattern.search(text[:200_000])
    readable(text, 3)


def test_json_is_one_line_with_what_says_why_first() -> None:
    assert excerpt('{\n "status": 403,\n "detail": "é"\n}') == '{"detail":"é","status":403}'
    assert readable("[1,\n2]", 3) == ["[1,2]"]
    assert readable("{ not json", 3) == ["{ not json"]


def test_what_a_refusal_says_itself_counts_before_a_guess_about_the_origin() -> None:
    said = told("403 Forbidden", '{"error":"Your plan does not include realtime"}', JSON)
    assert "its own reason" in said
    assert "Often because" not in said


@pytest.mark.parametrize(
    "body",
    [
        "Forbidden",
        '{"message":"Forbidden"}',
        "<h1>Forbidden</h1><p>You don't have permission to access this resource.</p>",
        "403 Forbidden\nAccess denied",
    ],
)
def test_words_that_only_repeat_the_status_are_no_reason(body: str) -> None:
    assert "Origin header is missing" in told("403 Forbidden", body)


def test_a_subprotocol_that_was_offered_is_not_asked_for_again() -> None:
    answer = ("400 Bad Request", "unsupported subprotocol: OCPP1.6")
    assert "none was offered" in told(*answer)
    again = told(*answer, given=("--subprotocol",))
    assert "none was offered" not in again
    assert "case included" in again


def test_a_redirect_to_the_same_url_is_a_loop() -> None:
    assert "A loop" in told("302 Found", "", "Location: /ws")
    assert "A loop" not in told("302 Found", "", "Location: /ws/")


@pytest.mark.parametrize("body", ['{"error":"Not Found"}', "Not Found"])
def test_a_404_without_an_id_is_the_paths(body: str) -> None:
    assert "nothing at /ws" in told("404 Not Found", body, JSON)


def test_a_404_that_names_what_is_missing_is_not_the_paths() -> None:
    assert "what was not found" in told("404 Not Found", '{"error":"Room 42 does not exist"}', JSON)


def test_no_more_of_a_page_is_read_than_is_told() -> None:
    def work(more: int) -> int:
        return lines(lambda page: readable(page + "d&amp;\n" * more, 3), "<b>a</b>\nb\n\nc\n")

    assert work(1000) == work(1)
