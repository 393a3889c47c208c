"""The table of products, the headers that name them, and the advice made from it."""

from __future__ import annotations

import pytest

from wsdiag.judgement.products.intermediaries import fingerprints, hops_from_headers, products
from wsdiag.judgement.verdict.advice import directive_advice, ping_advice
from wsdiag.records import Candidate


def test_every_row_is_whole() -> None:
    names = [product.name for product in products()]
    assert len(names) == len(set(names)) > 30
    for product in products():
        assert product.evidence in ("measured", "documented", "reported", "unsure")
        assert product.kind in ("idle", "lifetime", "event")
        assert product.resets in (None, "any", "from-client", "from-server", "segment", "nothing")
        assert set(product.seen or ()) <= {"fin", "rst", "silent", "rst-on-write"}


def test_what_is_unsure_is_never_a_number() -> None:
    unsure = [product for product in products() if product.evidence == "unsure"]
    assert {product.key for product in unsure} == {"cloudflare", "arr"}
    assert all(product.default_s is None for product in unsure)


@pytest.mark.parametrize(
    ("name", "default_s"),
    [
        ("nginx (http proxy)", 60),
        ("Heroku router", 55),
        ("AWS Network Load Balancer", 350),
        ("Squid (CONNECT)", 900),
        ("YARP", 100),
        ("F5 BIG-IP (TCP and FastL4 profiles)", 300),
        ("Linux conntrack (NAT, firewall)", 432000),
    ],
)
def test_known_defaults(name: str, default_s: float) -> None:
    assert [p.default_s for p in products() if p.name == name] == [default_s]


@pytest.mark.parametrize(
    ("header", "product"),
    [
        (("Server", "nginx/1.22.1"), "nginx (http proxy)"),
        (("server", "openresty"), "nginx (http proxy)"),
        (("CF-RAY", "8a1b-FRA"), "Cloudflare"),
        (("Via", "1.1 varnish"), "Varnish (pipe)"),
        (("Via", "1.1 google"), "Google load balancer"),
        (("Via", "1.1 vegur"), "Heroku router"),
        (("X-Amz-Cf-Id", "x=="), "AWS CloudFront"),
        (("X-Amzn-RequestId", "1-2"), "an AWS service (API Gateway sends this header)"),
        (("x-envoy-upstream-service-time", "3"), "Envoy"),
        (("Server", "istio-envoy"), "Istio sidecar"),
        (("Fly-Request-Id", "01H"), "Fly.io proxy"),
        (("X-Vercel-Id", "fra1::x"), "Vercel"),
        (("X-Served-By", "cache-fra-1"), "Fastly"),
        (("Server", "BigIP"), "F5 BIG-IP (TCP and FastL4 profiles)"),
        (
            ("Set-Cookie", "BIGipServerpool=1677787402.36895.0000; path=/"),
            "F5 BIG-IP (TCP and FastL4 profiles)",
        ),
        (("Set-Cookie", "AWSALB=secret; Path=/"), "AWS Application Load Balancer"),
    ],
)
def test_headers_name_products(header: tuple[str, str], product: str) -> None:
    assert hops_from_headers([header])[0].product == product


def test_other_headers_name_nobody() -> None:
    headers = [("Server", "Python/3.12 websockets/15"), ("X-Served-By", "app1"), ("Date", "x")]
    assert hops_from_headers(headers) == []
    assert not any(
        hop.product == "Apache httpd" for hop in hops_from_headers([("Server", "Apache Tomcat")])
    )


def test_a_cookie_is_evidence_without_its_value() -> None:
    (hop,) = hops_from_headers([("Set-Cookie", "AWSALB=secret; Path=/")])
    assert "secret" not in hop.evidence


def test_a_long_header_is_cut() -> None:
    (hop,) = hops_from_headers([("Server", "nginx " + "x" * 5000)])
    assert len(hop.evidence) < 120


def test_every_fingerprint_has_a_lower_case_name() -> None:
    assert all(print_.name == print_.name.lower() for print_ in fingerprints())


def test_ping_advice_speaks_every_librarys_unit() -> None:
    text = "\n".join(ping_advice(12.5))
    for expected in (
        "ping_interval=12.5",
        "heartbeat=12.5",
        "ws.ping(), 12500)",
        "pingInterval: 12500",
        "12500 * time.Millisecond",
        "TimeSpan.FromSeconds(12.5)",
        "Browsers cannot send Pings",
    ):
        assert expected in text


def test_directives_are_written_out() -> None:
    rows = [Candidate(p.name, p.directive, p.default_s) for p in products()]
    lines = directive_advice(rows)
    assert not [line for line in lines if "{" in line]
    assert any("proxy_read_timeout 3600s;" in line for line in lines)
