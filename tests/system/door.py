# SPDX-License-Identifier: Apache-2.0
"""A door, from outside: HTTP as it should be, TLS, limits and deadlines, a core that parks, reloads and drains."""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import time
import warnings

from door_clients import SLOW, Client, Door, get, make_ca, make_client, make_server, need_fds, need_programs, post
from drover import ASAN, Skip, case, find_program, run_all, wait_until

# ---- HTTP


@case
def every_kind_of_listener_answers(box):
    with Door(box, "tls", "mtls", "plain", "unix") as door:
        for kind in ("tls", "mtls", "plain", "unix"):
            with door.client(kind) as client:
                answer = client.ask(post("/echo?a=b%20c", b"body", "X-Thing: value"))
                assert answer.status == 200
                assert answer.body == (b"POST /echo?a=b%20c /echo a=b%20c\nHost: localhost\nX-Thing: value\n"
                                       b"Content-Length: 4\n\nbody")
                assert answer.headers["Content-Type"] == "application/json"
                assert answer.headers["Connection"] == "keep-alive"
                assert answer.headers["Date"].endswith(" GMT")


@case
def the_core_is_told_who_connects(box):
    with Door(box, "tls", "plain", "unix") as door:
        with door.client("plain") as client:
            client.ask(get("/"))
            port = client.socket.getsockname()[1]
            assert door.last() == {"listener": "1", "peer": f"127.0.0.1:{port}", "uid": "-1", "tls": "0",
                                   "certificate": "-", "uri": ""}
        with door.client("unix") as client:
            client.ask(get("/"))
            assert door.last() == {"listener": "2", "peer": "", "uid": str(os.getuid()), "tls": "0",
                                   "certificate": "-", "uri": ""}
        with door.client("tls") as client:
            client.ask(get("/"))
            assert (door.last()["listener"], door.last()["tls"]) == ("0", "1")
            door.await_state(core_connections=3, core_gone=2)
        with door.client("tls"):
            pass  # no request: nothing to be told
        door.await_state(core_connections=3, core_gone=3, open=0)


@case
def connections_are_kept_and_closed_as_asked(box):
    with Door(box, "plain") as door:
        with door.client() as client:
            for _ in range(100):
                assert client.ask(get("/")).headers["Connection"] == "keep-alive"
            assert client.ask(get("/", "Connection: close")).headers["Connection"] == "close"
            assert client.is_closed()
        with door.client() as client:
            assert client.ask(b"GET / HTTP/1.0\r\n\r\n").headers["Connection"] == "close"
            assert client.is_closed()
        with door.client() as client:
            kept = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
            assert client.ask(kept).headers["Connection"] == "keep-alive"
            assert client.ask(kept).status == 200
        with door.client() as client:  # the core may end it, too
            assert client.ask(get("/close")).headers["Connection"] == "close"
            assert client.is_closed()


@case
def head_has_the_length_and_no_body(box):
    with Door(box, "tls") as door, door.client("tls") as client:
        answer = client.ask(get("/").replace(b"GET", b"HEAD"), has_body=False)
        assert answer.headers["Content-Length"] == "295"
        assert client.ask(get("/")).status == 200  # nothing was left over


@case
def bodies_come_whole_however_they_are_sent(box):
    with Door(box, "tls", "plain") as door:
        for kind in ("tls", "plain"):
            with door.client(kind) as client:
                chunked = get("/echo", "Transfer-Encoding: chunked").replace(b"GET", b"POST")
                answer = client.ask(chunked + b"4\r\nchun\r\n3;x=y\r\nked\r\n0\r\nX-Trailer: t\r\n\r\n")
                assert answer.body.endswith(b"\n\nchunked")
                for byte in post("/echo", b"byte by byte"):
                    client.send(bytes([byte]))
                assert client.answer().body.endswith(b"\n\nbyte by byte")
                whole = os.urandom(1 << 20)
                assert client.ask(post("/echo", whole)).body.endswith(b"\n\n" + whole)


@case
def a_body_that_waits_is_asked_for_and_one_too_long_is_not(box):
    with Door(box, "tls") as door, door.client("tls") as client:
        head = post("/echo", b"12345", "Expect: 100-continue")[:-5]
        client.send(head)
        assert client.answer().status == 100
        assert client.ask(b"12345").body.endswith(b"\n\n12345")
        assert client.ask(head + b"12345").status == 200  # sent without waiting: no 100
        answer = client.ask(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1048577\r\n\r\n")
        assert answer.status == 413
        assert client.is_closed()


@case
def long_answers_reach_slow_readers(box):
    with Door(box, "tls", "plain") as door:
        for kind in ("tls", "plain"):
            with door.client(kind) as client:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.send(get("/big?2000000") + get("/"))
                time.sleep(0.3)
                assert client.answer().body == b"x" * 2000000
                assert client.answer().body.startswith(b"{")


# ---- parked requests


@case
def a_parked_request_is_answered_when_the_core_wants(box):
    with Door(box, "tls") as door, door.client("tls") as first, door.client("tls") as second:
        first.send(get("/park"))
        second.send(get("/park"))
        door.await_state(core_parked=2, parked=2)
        assert door.ask("wake") == "woken 2"
        assert first.answer().status == 200
        assert second.answer().status == 200


@case
def who_leaves_while_parked_is_noticed_at_once(box):
    with Door(box, "tls", "plain", "unix") as door, door.client("tls") as other:
        other.send(get("/park"))
        leave = {
            "goodbye of TLS and FIN": ("tls", lambda c: c.socket.unwrap().close()),
            "FIN without goodbye": ("tls", lambda c: c.close()),
            "RST under TLS": ("tls", lambda c: c.reset()),
            "half-close under TLS": ("tls", lambda c: c.socket.shutdown(socket.SHUT_WR)),
            "FIN": ("plain", lambda c: c.close()),
            "RST": ("plain", lambda c: c.reset()),
            "half-close": ("plain", lambda c: c.socket.shutdown(socket.SHUT_WR)),
            "end of a unix socket": ("unix", lambda c: c.close()),
            "further bytes, then FIN": ("plain", lambda c: (c.send(get("/")), c.close())),
        }
        for n, (how, (kind, go)) in enumerate(leave.items(), 1):
            client = door.client(kind)
            client.send(get("/park"))
            door.await_state(core_parked=2)
            began = time.monotonic()
            try:
                go(client)
            except (ssl.SSLError, OSError):
                pass  # the door closes without an answer to TLS's goodbye
            door.await_state(core_parked=1, core_cancelled=n, core_gone=n)
            assert time.monotonic() - began < 1 * SLOW, how
            client.close()
        door.await_state(left=len(leave))
        door.tell("wake")
        assert other.answer().status == 200


@case
def requests_sent_while_one_is_parked_are_answered_after_it(box):
    with Door(box, "tls", "plain") as door:
        for kind in ("tls", "plain"):
            with door.client(kind) as client:
                client.send(get("/park") + post("/echo", b"second") + get("/park")[:20])
                door.await_state(core_parked=1)
                client.send(get("/park")[20:] + get("/"))
                time.sleep(0.1)
                assert door.ask("wake") == "woken 1"
                assert client.answer().body.startswith(b"{")
                assert client.answer().body.endswith(b"second")
                door.await_state(core_parked=1)
                assert door.ask("wake") == "woken 1"
                assert client.answer().status == 200
                assert client.answer().status == 200


@case
def what_the_core_does_not_answer_the_door_does(box):
    with Door(box, "plain", "answer_ms=500") as door, door.client() as client:
        began = time.monotonic()
        answer = client.ask(get("/park"))
        assert answer.status == 503
        assert answer.body == (b'{"__type":"ServiceUnavailable",'
                               b'"message":"the controller did not answer in time"}')
        assert 0.4 < time.monotonic() - began < 2 * SLOW
        door.await_state(core_parked=0, core_cancelled=1, not_answered=1)
        assert client.is_closed()


@case
def the_core_closes_connections(box):
    with Door(box, "tls") as door, door.client("tls") as parked, door.client("tls") as idle:
        parked.send(get("/park"))
        idle.ask(get("/"))
        door.await_state(core_parked=1)
        assert door.ask("close") == "closed 2"
        assert parked.is_closed()
        assert idle.is_closed()
        door.await_state(open=0, core_cancelled=0, core_gone=0)
        door.check_alive("tls")


@case
def while_thousands_are_woken_others_are_served(box):
    n = need_fds(4000)
    with Door(box, "plain") as door:
        parked = [door.client() for _ in range(n)]
        for client in parked:
            client.send(get("/park"))
        door.await_state(core_parked=n, seconds=20)
        door.tell("wake")
        door.check_alive("plain", seconds=0.5)
        assert door.line() == f"woken {n}"
        for client in parked:
            assert client.answer().status == 200
            client.close()
        door.await_state(open=0, left=0, seconds=10)


# ---- TLS


@case
def tls_1_2_and_1_3_and_nothing_older(box):
    with Door(box, "tls") as door:
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            with door.client("tls", version=version) as client:
                assert client.socket.version() == name
                assert client.ask(get("/")).status == 200
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is old is why
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        try:
            door.client("tls", context=old).close()
            raise AssertionError("TLS 1.1 was taken")
        except (ssl.SSLError, ConnectionError):
            pass
        door.await_state(tls_failed=1, handshakes=2)
        door.check_alive("tls")


@case
def protocols_are_negotiated_for_those_who_ask(box):
    with Door(box, "tls") as door:
        for offered, chosen in ((["h2", "http/1.1"], "http/1.1"), (["h2"], None), ([], None)):
            context = door.context()
            if offered:
                context.set_alpn_protocols(offered)
            with door.client("tls", context=context) as client:
                assert client.socket.selected_alpn_protocol() == chosen
                assert client.ask(get("/")).status == 200


@case
def sessions_are_resumed_with_and_without_a_certificate(box):
    with Door(box, "tls", "mtls") as door:
        make_client(door.pki, "web-1")
        resumed = 0
        for kind, certificate in (("tls", None), ("mtls", None), ("mtls", "web-1")):
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                context = door.context(certificate, version)
                with door.client(kind, context=context) as client:
                    client.ask(get("/"))
                    assert not client.socket.session_reused
                    first = door.last()
                    session = client.socket.session
                    client.socket.unwrap()
                with door.client(kind, context=context, session=session) as client:
                    client.ask(get("/"))
                    assert client.socket.session_reused, (kind, certificate, version)
                    resumed += 1
                    for name in ("certificate", "uri"):
                        assert door.last()[name] == first[name]
        door.await_state(resumed=resumed, handshakes=2 * resumed)


@case
def a_client_certificate_is_welcome_and_not_needed(box):
    with Door(box, "mtls", "tls") as door:
        make_client(door.pki, "web-1")
        with door.client("mtls") as client:
            client.ask(get("/"))
            assert door.last()["certificate"] == "-"
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with door.client("mtls", certificate="web-1", version=version) as client:
                client.ask(get("/"))
                assert len(door.last()["certificate"]) == 64
                assert door.last()["uri"] == "arn:aws:iam::000000000000:user/drover/web-1"
        with door.client("tls", certificate="web-1") as client:  # not asked for
            client.ask(get("/"))
            assert door.last()["certificate"] == "-"


def is_refused(door, name, version):
    """TLS 1.3 tells the client at its first read only."""
    try:
        with door.client("mtls", certificate=name, version=version) as client:
            client.send(get("/"))
            return client.answer() is None
    except (ssl.SSLError, ConnectionError):
        return True


@case
def certificates_of_others_or_out_of_date_are_refused(box):
    with Door(box, "mtls") as door:
        make_ca(door.pki, "other")
        make_client(door.pki, "stranger", ca="other")
        make_client(door.pki, "late", days="-1")
        for name in ("stranger", "late"):
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                assert is_refused(door, name, version), (name, version)
        door.await_state(tls_failed=4, core_requests=0)


@case
def new_keys_are_used_and_parked_clients_stay(box):
    with Door(box, "tls") as door, door.client("tls") as parked:
        parked.send(get("/park"))
        door.await_state(core_parked=1)
        old = door.context()
        make_server(door.pki, "renewed")
        assert door.ask("reload") == "reloaded"
        new = door.context()
        def serves_new():
            try:
                with door.client("tls", context=new) as client:
                    return client.ask(get("/")).status == 200
            except ssl.SSLError:
                return False
        assert wait_until(serves_new, 3 * SLOW)
        try:
            door.client("tls", context=old).close()
            raise AssertionError("the old certificate is still shown")
        except ssl.SSLError:
            pass
        door.await_state(core_parked=1)
        door.tell("wake")
        assert parked.answer().status == 200
        assert parked.ask(get("/")).status == 200


@case
def settings_that_are_wrong_leave_the_old_ones(box):
    with Door(box, "tls") as door:
        door.check_alive("tls")
        key = os.path.join(door.pki, "server.key")
        os.rename(os.path.join(door.pki, "ca.key"), key)  # of another certificate
        assert door.ask("reload") == "reloaded"
        assert wait_until(lambda: "new settings are not used" in door.errors(), 3 * SLOW)
        assert "the server's key is not that of its certificate" in door.errors()
        with open(key, "w", encoding="ascii") as file:
            file.write("no key")
        assert door.ask("reload") == "reloaded"
        assert wait_until(lambda: "cannot read the server's key" in door.errors(), 3 * SLOW)
        door.check_alive("tls")


def talk(door, version, *lines):
    """What openssl's client prints when these lines are typed."""
    client = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{door.port('tls')}", version],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
    for line in lines:
        time.sleep(0.2 * SLOW)
        with contextlib.suppress(BrokenPipeError):
            client.stdin.write(line.encode())
    time.sleep(0.3 * SLOW)
    client.kill()
    return client.communicate()[0].decode()


@case
def keys_are_updated_and_sessions_not_negotiated_again(box):
    request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with Door(box, "tls") as door:
        text = talk(door, "-tls1_3", "k\n", "K\n", request)
        assert text.count("KEYUPDATE") == 2, text
        assert "HTTP/1.1 200 OK" in text, text
        assert "HTTP/1.1 200 OK" in talk(door, "-tls1_2", request)
        text = talk(door, "-tls1_2", "R\n", request)
        assert "RENEGOTIATING" in text, text
        assert "HTTP/1.1 200 OK" not in text, text
        door.check_alive("tls")


# ---- several


@case
def doors_share_a_listener_and_a_full_one_leaves_clients_to_the_other(box):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        fd = listener.fileno()

        def ask():
            connection = socket.create_connection(listener.getsockname(), 5 * SLOW)
            client = Client(connection)
            assert client.ask(get("/")).status == 200
            return client

        with Door(box, f"fd:{fd}", "connections=10", pass_fds=(fd,)) as first, \
                Door(box, f"fd:{fd}", "connections=30", pass_fds=(fd,)) as second:
            clients = [ask() for _ in range(40)]
            first.await_state(open=10)
            second.await_state(open=30)
            for client in clients:
                client.close()
            first.await_state(open=0)
            second.await_state(open=0)
            assert first.ask("drain") == "exit 0"
            for _ in range(10):  # what the first would have taken, the second does
                ask().close()


# ---- the end


@case
def draining_answers_what_is_parked_and_ends(box):
    for how in ("drain", "SIGTERM"):
        with Door(box, "tls") as door, door.client("tls") as parked, door.client("tls") as idle:
            parked.send(get("/park"))
            idle.ask(get("/"))
            door.await_state(core_parked=1)
            began = time.monotonic()
            if how == "drain":
                door.tell("drain")
            else:
                os.kill(door.pid, signal.SIGTERM)
            assert idle.is_closed()
            try:
                door.connect("tls").close()
            except ConnectionError:
                pass
            assert door.ask("wake") == "woken 1"
            answer = parked.answer()
            assert (answer.status, answer.headers["Connection"]) == (200, "close")
            assert parked.is_closed()
            assert door.line() == "exit 0", how
            assert time.monotonic() - began < 1.4 * SLOW


@case
def draining_ends_in_time_whoever_does_not(box):
    with Door(box, "tls") as door, door.client("tls") as parked, door.client("tls") as half:
        parked.send(get("/park"))
        half.send(b"POST / HT")
        door.await_state(core_parked=1)
        began = time.monotonic()
        assert door.ask("drain") == "exit 0"
        assert 1.3 < time.monotonic() - began < 2.2 * SLOW


@case
def without_a_core_a_door_ends(box):
    with Door(box, "plain") as door, door.client() as client:
        client.send(get("/park"))
        door.await_state(core_parked=1)
        door.process.kill()
        assert client.is_closed()
        assert wait_until(lambda: not os.path.exists(f"/proc/{door.pid}") or "Z" in door.status()["State"], 3)


@case
def a_door_alone_says_by_whom_it_is_started(box):
    done = subprocess.run([find_program("drover-door")], stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "is started by droverd, not by hand" in done.stderr
    with open("/dev/null", "rb") as null:
        done = subprocess.run([find_program("drover-door"), "7", str(null.fileno())], stderr=subprocess.PIPE,
                              text=True, check=False, pass_fds=(null.fileno(),))
    assert done.returncode == 1
    assert "a door could not start" in done.stderr


# ---- cost


@case
def a_parked_client_costs_little(box):
    if ASAN:
        raise Skip("the sanitizer's own memory is counted, too")
    for kind, certificate, limit in (("tls", None, 16), ("mtls", "web-1", 20)):
        with Door(box, kind) as door:
            if certificate:
                make_client(door.pki, certificate)
            context = door.context(certificate)
            clients = [door.client(kind, context=context) for _ in range(50)]  # warm
            before, n = door.rss_kib(), 1000
            clients += [door.client(kind, context=context) for _ in range(n)]
            for client in clients:
                client.send(post("/park", b"x" * 200, "Authorization: " + "x" * 300))
            door.await_state(core_parked=n + 50, seconds=20)
            each = (door.rss_kib() - before) / n
            print(f"# {kind}: {each:.1f} KiB a parked connection")
            assert each <= limit, f"{kind}: {each:.1f} KiB"
            began = door.cpu_seconds()
            time.sleep(2)
            assert door.cpu_seconds() - began < 0.1, "parked clients are not free"
            door.ask("wake")
            for client in clients:
                assert client.answer().status == 200
                client.close()
            door.await_state(core_parked=0, open=0, seconds=10)


if __name__ == "__main__":
    run_all(need_programs)
