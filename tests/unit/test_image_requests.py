import socket
import ssl
import time

import pytest
import trustme

from laion_pipeline.images.addresses import is_public
from laion_pipeline.images.failures import NoImageError
from laion_pipeline.images.requests import MOST_BYTES, Network, fetch, look_up
from tests.image_servers import PUBLIC, Answer, answer, image, redirect, serving

PNG = image()
PRIVATE = (
    *("127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
    *("100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "198.18.0.1", "192.0.2.7", "::1", "::", "fe80::1", "fe80::1%eth0"),
    *("fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8"),
    *("::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2001:0:7f00:1::"),
)


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700::1111", "1.1.1.1"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)


def test_an_image_is_fetched_with_one_plain_request() -> None:
    with serving({"/a%20b.png?c=d": answer(PNG)}) as servers:
        assert fetch("http://who:secret@host.example/a b.png?c=d#e", servers.network()) == PNG
    head = servers.requests[0].decode()
    assert "\r\nHost: host.example\r\n" in head
    assert "\r\nUser-Agent: laion-pipeline/" in head
    for kept in ("Cookie", "Authorization", "Referer", "secret"):
        assert kept not in head
    assert servers.connected == [(PUBLIC, 80)]


@pytest.mark.parametrize("address", PRIVATE)
def test_hosts_that_are_not_public_are_never_connected_to(address: str) -> None:
    with serving({"/": answer(PNG)}) as servers:
        network = servers.network({"inside.example": [PUBLIC, address]})
        with pytest.raises(NoImageError) as caught:
            fetch("http://inside.example/", network)
    assert caught.value.failure == "refused"
    assert address in caught.value.reason
    assert servers.connected == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "0"]
)
def test_names_of_this_machine_are_refused_by_what_they_resolve_to(host: str) -> None:
    with serving({"/": answer(PNG)}) as servers:
        network = servers.network()
        with pytest.raises(NoImageError) as caught:
            fetch(f"http://{host}/", Network(look_up, network.dial))
    assert caught.value.failure == "refused"
    assert servers.connected == []


@pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
def test_redirects_are_followed_and_checked_again(status: str) -> None:
    answers = {
        "/old": redirect("http://inside.example/secret", f"{status} Moved"),
        "/moved": redirect("/new", f"{status} Moved"),
        "/new": answer(PNG),
    }
    with serving(answers) as servers:
        network = servers.network({"inside.example": ["169.254.169.254"]})
        assert fetch("http://host.example/moved", network) == PNG
        with pytest.raises(NoImageError) as caught:
            fetch("http://host.example/old", network)
    assert caught.value.failure == "refused"
    assert servers.asked == ["/moved", "/new", "/old"]


@pytest.mark.parametrize(
    ("url", "failure"),
    [
        ("http://host.example:8080/", "refused"), ("https://host.example:22/", "refused"),
        ("ftp://host.example/", "refused"), ("file:///etc/passwd", "refused"),
        ("gopher://host.example/", "refused"), ("data:image/png;base64,", "refused"),
        ("host.example/a.png", "refused"), ("", "refused"), ("http://", "dead"),
        ("http://[::/", "dead"), ("http://host.example:99999/", "refused"),
        ("http://\x00/", "dead"), ("http://" + "a" * 300 + ".example/", "dead"),
    ],
)  # fmt: skip
def test_what_is_no_address_of_the_web_is_not_asked_for(url: str, failure: str) -> None:
    to = redirect(url, "302 Found") if "\x00" not in url else redirect("http://[x/")
    with serving({"/": to}) as servers:
        with pytest.raises(NoImageError) as caught:
            fetch(url, servers.network({"a" * 300 + ".example": []}))
        assert caught.value.failure == failure
        assert servers.connected == []
        with pytest.raises(NoImageError):
            fetch("http://host.example/", servers.network({"a" * 300 + ".example": []}))
        assert all(port == 80 for _, port in servers.connected)


def test_a_name_is_looked_up_once_and_connected_to_as_checked() -> None:
    with serving({"/": answer(PNG)}) as servers:
        found = iter([[PUBLIC], ["127.0.0.1"]])
        changing = Network(lambda host: next(found), servers.network().dial)
        assert fetch("http://host.example/", changing) == PNG
        with pytest.raises(NoImageError):
            fetch("http://host.example/", changing)
    assert servers.connected == [(PUBLIC, 80)]


def test_redirects_without_an_end() -> None:
    ended = pytest.raises(NoImageError, match="redirects without an end")
    with serving({"/": redirect("/")}) as servers, ended:
        fetch("http://host.example/", servers.network())
    assert len(servers.asked) == 5


def _drip(start: bytes) -> Answer:
    def dripping(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            time.sleep(0.05)
            connection.sendall(b"x")

    return dripping


@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\nX-Name: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"],
    ids=["status", "headers", "body"],
)
def test_slow_answers_end_in_time(start: bytes) -> None:
    with serving({"/": _drip(start)}) as servers:
        began = time.monotonic()
        with pytest.raises(NoImageError) as caught:
            fetch("http://host.example/", servers.network(most_seconds=0.5))
    assert time.monotonic() - began < 3
    assert (caught.value.failure, caught.value.reason) == ("dead", "no answer in time")


def _endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(bytes(1 << 20))


@pytest.mark.parametrize(
    ("given", "failure", "reason"),
    [
        (answer(bytes(MOST_BYTES + 1)), "unusable", "more than 10 MB"),
        (_endless, "unusable", "more than 10 MB"),
        (answer(b"x", Content_Encoding="gzip"), "unusable", "packed as gzip"),
        (answer(status="404 Not Found"), "dead", "HTTP 404"),
        (answer(status="410 Gone"), "dead", "HTTP 410"),
        (answer(status="503 Unavailable"), "dead", "HTTP 503"),
        (answer(status="206 Partial Content"), "dead", "HTTP 206"),
        (lambda connection: connection.sendall(b"\x16\x03\x01 nonsense\r\n\r\n"), "dead", ""),
        (lambda connection: connection.close(), "dead", ""),
        (lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 99_999),
         "dead", ""),
        (lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"),
         "dead", ""),
    ],
)  # fmt: skip
def test_answers_that_are_no_image(given: Answer, failure: str, reason: str) -> None:
    with serving({"/": given}) as servers, pytest.raises(NoImageError) as caught:
        fetch("http://host.example/", servers.network())
    assert caught.value.failure == failure
    assert caught.value.reason.startswith(reason)
    assert caught.value.reason.isprintable()


@pytest.mark.parametrize(
    ("header", "value", "is_against"),
    [
        ("X_Robots_Tag", "noai", True), ("X_Robots_Tag", "NoImageAI, nofollow", True),
        ("X_Robots_Tag", "noindex", True), ("X_Robots_Tag", "none", True),
        ("X_Robots_Tag", "noml", True), ("X_Robots_Tag", "laion-pipeline: noai", True),
        ("X_Robots_Tag", "googlebot: noindex", False), ("X_Robots_Tag", "all", False),
        ("X_Robots_Tag", "googlebot: nofollow, noindex", False), ("X_Robots_Tag", "*: noai", True),
        ("X_Robots_Tag", "unavailable_after: 25 Jun 2027, noai", True),
        ("X_Robots_Tag", "max-image-preview: large", False), ("X_Robots_Tag", "", False),
        ("Content_Usage", "train-ai=n", True), ("Content_Usage", "search=y, train-ai=n", True),
        ("Content_Usage", "train-ai=n;exp=1", True), ("Content_Usage", "train-ai=y", False),
        ("Content_Usage", "train-ai=n, train-ai=y", False), ("Content_Usage", "search=n", False),
        ("Content_Usage", "train-ai", False),
        ("TDM_Reservation", "1", True), ("tdm_reservation", " 1 ", True),
        ("TDM_Reservation", "0", False), ("TDM_Policy", "1", False),
    ],
)  # fmt: skip
def test_what_a_server_says_against_it_is_honoured(
    header: str, value: str, is_against: bool
) -> None:
    with serving({"/": answer(PNG, **{header: value})}) as servers:
        if not is_against:
            assert fetch("http://host.example/", servers.network()) == PNG
            return
        with pytest.raises(NoImageError) as caught:
            fetch("http://host.example/", servers.network())
    assert caught.value.failure == "opted out"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def test_certificates_are_those_of_the_name(authority: trustme.CA) -> None:
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("host.example").configure_cert(shown)

    def trusting() -> ssl.SSLContext:
        trusted = ssl.create_default_context()
        authority.configure_trust(trusted)
        return trusted

    with serving({"/": answer(PNG)}, shown) as servers:
        assert fetch("https://host.example/", servers.network(certificates=trusting)) == PNG
        assert servers.connected == [(PUBLIC, 443)]
        for network, host in (
            (servers.network(certificates=trusting), "other.example"),
            (servers.network(), "host.example"),
        ):
            with pytest.raises(NoImageError, match="no safe connection") as caught:
                fetch(f"https://{host}/", network)
            assert caught.value.failure == "dead"


def test_looking_up_ends_in_time() -> None:
    def never(host: str) -> list[str]:
        time.sleep(30)
        return [PUBLIC]

    with serving({}) as servers:
        began = time.monotonic()
        with pytest.raises(NoImageError, match="dead: no answer in time"):
            fetch("http://host.example/", Network(never, servers.network().dial, 0.3))
        assert servers.connected == []
    assert time.monotonic() - began < 3


def test_a_host_that_is_not_known() -> None:
    def unknown(host: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with serving({}) as servers, pytest.raises(NoImageError) as caught:
        fetch("http://host.example/", Network(unknown, servers.network().dial))
    assert (caught.value.failure, caught.value.reason) == ("dead", "its host is not known")
