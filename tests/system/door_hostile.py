# SPDX-License-Identifier: Apache-2.0
"""Clients that mean harm, and a door that was taken: each costs one connection, is counted, and nobody else notices."""

import os
import random
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

from door_clients import SLOW, Client, Door, get, need_fds, need_programs, post
from drover import ASAN, FULL, Skip, case, find_program, run_all, wait_until, write

# ---- requests that two readers could see differently

SECOND = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
H = b"Host: localhost\r\n"
POST = b"POST / HTTP/1.1\r\n" + H
GET = b"GET / HTTP/1.1\r\n" + H
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
REFUSED = {
    "two different Content-Length": (400, POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc"),
    "the same Content-Length twice": (400, POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    "a list as Content-Length": (400, POST + b"Content-Length: 3, 3\r\n\r\nabc"),
    "Content-Length with a sign": (400, POST + b"Content-Length: +2\r\n\r\nab"),
    "a negative Content-Length": (400, POST + b"Content-Length: -1\r\n\r\n"),
    "a hexadecimal Content-Length": (400, POST + b"Content-Length: 0x2\r\n\r\nab"),
    "an empty Content-Length": (400, POST + b"Content-Length:\r\n\r\n"),
    "Content-Length beyond 64 bits": (400, POST + b"Content-Length: 18446744073709551617\r\n\r\nx"),
    "Content-Length and chunked": (400, POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "chunked and Content-Length": (400, POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
    "gzip, chunked": (501, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "chunked twice": (400, POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "chunked, identity": (501, POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    "xchunked": (501, POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "chunked by a vertical tab": (400, POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    "chunked in HTTP/1.0": (400, b"POST / HTTP/1.0\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "a blank before the colon": (400, POST + b"Content-Length : 3\r\n\r\nabc"),
    "a blank before the first header": (400, b"POST / HTTP/1.1\r\n " + H + b"Content-Length: 3\r\n\r\nabc"),
    "a folded header": (400, POST + b"X: a\r\n b\r\n\r\n"),
    "a header without a name": (400, POST + b": a\r\n\r\n"),
    "a header without a colon": (400, POST + b"Content-Length 3\r\n\r\nabc"),
    "a header with a NUL": (400, POST + b"X: a\0b\r\n\r\n"),
    "bare LF behind the request line": (400, b"POST / HTTP/1.1\n" + H + b"\r\n"),
    "bare LF behind a header": (400, b"POST / HTTP/1.1\r\nHost: localhost\n\r\n"),
    "bare LF as the end": (400, POST + b"\n"),
    "bare CR within a header": (400, POST + b"X: a\rTransfer-Encoding: chunked\r\n\r\n"),
    "no Host": (400, b"GET / HTTP/1.1\r\n\r\n"),
    "two Hosts": (400, GET + H + b"\r\n"),
    "a Host that is none": (400, b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    "a target of another host": (400, b"GET http://other/ HTTP/1.1\r\n" + H + b"\r\n"),
    "a blank in the target": (400, b"GET /a b HTTP/1.1\r\n" + H + b"\r\n"),
    "two blanks": (400, b"GET  / HTTP/1.1\r\n" + H + b"\r\n"),
    "a tab in the request line": (400, b"GET\t/ HTTP/1.1\r\n" + H + b"\r\n"),
    "a method that is no token": (400, b"G(T / HTTP/1.1\r\n" + H + b"\r\n"),
    "a broken escape": (400, b"GET /%4 HTTP/1.1\r\n" + H + b"\r\n"),
    "HTTP/2": (505, b"GET / HTTP/2.0\r\n" + H + b"\r\n"),
    "HTTP/0.9": (400, b"GET /\r\n" + H + b"\r\n"),
    "the preface of HTTP/2": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "an unknown expectation": (417, POST + b"Expect: 200-ok\r\nContent-Length: 1\r\n\r\nx"),
    "TLS on a plain port": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n" * 2),
    "a chunk of no number": (400, CHUNKED + b"xyz\r\n"),
    "a chunk with a sign": (400, CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n"),
    "a chunk in 0x": (400, CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n"),
    "a chunk with a blank": (400, CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n"),
    "a chunk that is longer": (400, CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n"),
    "a chunk that ends with LF": (400, CHUNKED + b"3\nabc\r\n0\r\n\r\n"),
    "a chunk of 2^64": (400, CHUNKED + b"10000000000000000\r\nabc"),
    "a chunk of 2^60 less one": (413, CHUNKED + b"fffffffffffffff\r\nabc"),
    "long extensions of chunks": (400, CHUNKED + (b"1;" + b"x" * 600 + b"\r\na\r\n") * 2),
    "Content-Length as a trailer": (400, CHUNKED + b"0\r\nContent-Length: 3\r\n\r\n"),
    "Host as a trailer": (400, CHUNKED + b"0\r\nHost: other\r\n\r\n"),
    "a long request line": (414, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + H + b"\r\n"),
    "long headers": (431, GET + (b"X: " + b"a" * 1000 + b"\r\n") * 33 + b"\r\n"),
    "one long header": (431, GET + b"X: " + b"a" * 33000 + b"\r\n\r\n"),
    "many headers": (431, GET + b"X: a\r\n" * 64 + b"\r\n"),
    "many trailers": (431, CHUNKED + b"0\r\n" + b"X: a\r\n" * 65 + b"\r\n"),
    "a long body": (413, POST + b"Content-Length: 1048577\r\n\r\n"),
    "a long chunked body": (413, CHUNKED + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 17),
}


@case
def requests_that_can_be_read_in_two_ways_are_refused_and_nothing_behind_them_is_read(box):
    with Door(box, "tls", "plain") as door:
        for n, (what, (status, data)) in enumerate(REFUSED.items(), 1):
            with door.client("tls" if n % 2 else "plain") as client:
                client.send(data + SECOND)
                answer = client.answer()
                assert answer, f"{what}: no answer"
                assert answer.status == status, f"{what}: {answer.status} {answer.body!r}"
                assert answer.headers["Connection"] == "close", what
                assert re.fullmatch(rb'\{"__type":"\w+","message":"[^"]+"\}', answer.body), what
                assert client.is_closed(), f"{what}: more was answered, or it stayed open"
        too_large = sum(status in (413, 414, 431) for status, _ in REFUSED.values())
        door.await_state(core_requests=0, malformed=len(REFUSED) - too_large, too_large=too_large)
        door.check_alive("tls")
        door.await_state(core_requests=1)


@case
def a_refused_client_reads_why_although_it_sends_on(box):
    with Door(box, "tls", "plain") as door:
        for kind in ("tls", "plain"):
            with door.client(kind) as client:
                client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000000\r\n\r\n")
                sent = 0
                client.socket.settimeout(0.2)
                try:
                    while sent < 64 << 20:
                        sent += client.socket.send(b"x" * 65536)
                except (OSError, ssl.SSLError):
                    pass
                client.socket.settimeout(10)
                if kind == "plain":
                    assert client.answer().status == 413
                began = time.monotonic()
                door.await_state(open=0, seconds=5)
                assert time.monotonic() - began < 4 * SLOW


@case
def random_bytes_end_no_door(box):
    generator = random.Random(20261120)
    kinds = ("tls", "plain", "unix")
    with Door(box, *kinds) as door:
        for _ in range(3000 if FULL else 600):
            plain = door.connect(generator.choice(kinds))
            try:
                start = generator.choice((b"", b"POST / HTTP/1.1\r\nHost: a\r\n", b"\x16\x03\x01\x00", get("/park")))
                plain.sendall(start + generator.randbytes(generator.randrange(400)))
                if generator.random() < 0.3:
                    plain.shutdown(socket.SHUT_WR)
                if generator.random() < 0.2:
                    plain.setblocking(False)
                    plain.recv(1000)
            except OSError:
                pass
            plain.close()
        for kind in kinds:
            door.check_alive(kind)
        door.await_state(open=0, core_parked=0, seconds=10)


# ---- slow ones


def drip(connections, byte, seconds):
    """Sends a byte each now and then on all of them until the door has closed them; returns when each was."""
    began, closed = time.monotonic(), []
    connections = list(connections)
    while connections and time.monotonic() - began < seconds:
        readable, _, _ = select.select(connections, [], [], 0)
        for connection in readable:
            try:
                data = connection.recv(65536)
            except OSError:
                data = b""
            if not data:
                closed.append(time.monotonic() - began)
                connections.remove(connection)
        for connection in connections:
            try:
                connection.send(byte)
            except OSError:
                pass
        time.sleep(0.1)
    assert not connections, f"{len(connections)} are open after {seconds} s"
    return closed


@case
def slow_heads_and_bodies_end_at_their_deadline(box):
    with Door(box, "plain", "header_ms=1500", "body_ms=1500") as door:
        for what, start in (("head", b"POST / HTTP/1.1\r\nHost: localhost\r\nX: "),
                            ("body", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"),
                            ("chunk", CHUNKED + b"fff\r\n")):
            before = door.state()["too_slow"]
            slow = [door.connect() for _ in range(50)]
            for connection in slow:
                connection.sendall(start)
            door.check_alive()
            closed = drip(slow, b"a", 6 * SLOW)
            assert min(closed) > 1.2, f"{what}: {min(closed)}"
            assert max(closed) < 4.5 * SLOW, f"{what}: {max(closed)}"
            for connection in slow:
                connection.close()
            door.await_state(too_slow=before + 50, open=0, core_requests=before // 50 + 1, seconds=5)


@case
def a_slow_request_is_told_that_it_was(box):
    with Door(box, "plain", "header_ms=400", "idle_ms=700") as door:
        with door.client() as client:
            answer = client.ask(b"GET / HTTP/1.1\r\n")
            assert (answer.status, answer.headers["Connection"]) == (408, "close")
            assert client.is_closed()
        with door.client() as client:  # nothing at all: nothing is said
            assert client.is_closed()
        with door.client() as client:  # between requests there is more time
            client.ask(get("/"))
            time.sleep(0.5)
            client.ask(get("/"))
            assert client.is_closed()
        door.await_state(too_slow=2)


@case
def slow_handshakes_end_at_their_deadline(box):
    with Door(box, "tls", "handshake_ms=1500") as door:
        slow = [door.connect("tls") for _ in range(60)]
        for n, connection in enumerate(slow):
            if n % 3:  # the others say nothing
                connection.sendall(b"\x16\x03\x01\x20\x00\x01\x00\x1f\xfc\x03\x03"[:1 + n % 11])
        door.check_alive("tls")
        closed = drip(slow[:20], b"", 6 * SLOW)
        for connection in slow:
            assert Client(connection).is_closed()
            connection.close()
        assert min(closed) > 1.2
        assert max(closed) < 4 * SLOW
        door.await_state(too_slow=60, handshakes=1, seconds=5)


@case
def who_does_not_read_its_answer_loses_it(box):
    with Door(box, "plain", "write_ms=1000") as door:
        deaf = [door.client() for _ in range(20)]
        for client in deaf:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.send(get("/big?2000000") * 8)  # more than the kernel keeps for it
        door.check_alive()
        door.await_state(too_slow=20, open=0, seconds=5)
        for client in deaf:
            client.close()


# ---- too much


@case
def ten_thousand_half_open_connections_are_borne(box):
    n = need_fds(10000)
    print(f"# {n} connections")
    with Door(box, "tls", "handshake_ms=60000") as door, door.client("tls") as parked:
        parked.send(get("/park"))
        before = door.rss_kib()
        silent = [door.connect("tls", source=f"127.0.1.{1 + i % 200}") for i in range(n)]
        door.await_state(open=n + 1, seconds=20)
        quiet = (door.rss_kib() - before) / n
        for connection in silent[::2]:  # the first bytes of a handshake that never goes on
            connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        door.check_alive("tls")
        half = (door.rss_kib() - before) / n
        print(f"# {quiet:.1f} KiB each without a byte, {half:.1f} KiB on average with half of them begun")
        assert ASAN or quiet < 2
        assert ASAN or half < 32
        assert door.ask("wake") == "woken 1"
        assert parked.answer().status == 200
        for connection in silent:
            connection.close()
        door.await_state(open=1, seconds=20)
        door.check_alive("tls")


@case
def more_than_one_further_request_while_parked_costs_the_connection(box):
    with Door(box, "tls", "plain") as door, door.client("tls") as other:
        other.send(get("/park"))
        for kind in ("tls", "plain"):
            with door.client(kind) as client:
                client.send(get("/park"))
                door.await_state(core_parked=2)
                client.send(get("/") * 100)
                door.await_state(core_parked=2)
                try:
                    client.send(get("/") * 1000)
                except OSError:
                    pass
                assert client.is_closed()
                door.await_state(core_parked=1)
        door.await_state(too_eager=2, core_cancelled=2)
        assert door.ask("wake") == "woken 1"
        assert other.answer().status == 200


@case
def one_address_has_its_share_and_others_theirs(box):
    with Door(box, "tls", "plain", "per_address=20") as door:
        greedy = [door.connect("tls") for _ in range(30)]
        door.await_state(accepted=30, open=20, address_full=10)
        door.check_alive("plain")  # a site's own proxy speaks for many
        with door.client("tls", source="127.0.0.2") as client:
            assert client.ask(get("/")).status == 200
        greedy[0].close()
        door.await_state(open=19)
        door.check_alive("tls")
        for connection in greedy:
            connection.close()


@case
def a_full_door_waits_until_one_leaves(box):
    with Door(box, "plain", "connections=20") as door:
        held = [door.client() for _ in range(20)]
        for client in held:
            client.ask(get("/"))
        with door.client(timeout=20) as late:
            late.send(get("/"))
            late.socket.settimeout(0.5)
            try:
                late.socket.recv(1)
                raise AssertionError("one too many was served")
            except (TimeoutError, socket.timeout):
                pass
            cpu = door.cpu_seconds()
            time.sleep(1)
            assert door.cpu_seconds() - cpu < 0.1, "a full door spins"
            late.socket.settimeout(5 * SLOW)
            held.pop().close()
            assert late.answer().status == 200
        for client in held:
            client.close()


@case
def a_door_without_descriptors_goes_on(box):
    script = write(box.join("few-descriptors"),
                   f"#!/bin/sh\nulimit -Hn 64\nulimit -Sn 64\nexec {find_program('drover-door')} \"$@\"\n", 0o755)
    with Door(box, "plain", door=script) as door:
        held = [door.client() for _ in range(32)]
        for client in held:
            client.ask(get("/"))
        late = door.client()
        late.send(get("/"))
        door.await_state(open=32)
        held.pop().close()
        assert late.answer().status == 200
        for client in [late, *held]:
            client.close()


@case
def unfinished_bodies_of_all_clients_are_bounded(box):
    with Door(box, "plain", f"body_ms={2500 * SLOW}") as door:
        door.check_alive()
        before = door.rss_kib()
        senders = []
        for _ in range(300):  # 270 MB, were they kept
            client = door.client()
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
            client.socket.settimeout(5 * SLOW)
            try:
                client.send(b"x" * 900000)
            except OSError:
                pass
            senders.append(client)
        grown = (door.rss_kib() - before) / 1024
        print(f"# {grown:.0f} MiB")
        assert ASAN or grown < 100, f"{grown:.0f} MiB"
        with door.client() as client:
            body = os.urandom(1000000)
            assert client.ask(post("/echo", body)).body.endswith(body)
        assert wait_until(lambda: door.state()["evicted"] > 200, 3)
        for client in senders:
            client.close()
        door.await_state(open=0, seconds=5)


@case
def a_core_that_is_behind_is_waited_for(box):
    """What the door takes meanwhile is bounded; nothing spins, nothing is lost that was not refused, and what clients
    have sent is not late because nobody read it."""
    answers = []

    def ask(door):
        with door.client(timeout=60) as client:
            try:
                client.send(post("/echo", b"x" * 1000000))
                answer = client.answer()
                answers.append(answer.status if answer else 0)
            except OSError:  # evicted
                answers.append(0)

    with Door(box, "plain", "body_ms=60000") as door:
        door.check_alive()
        before = door.rss_kib()
        assert door.ask("pause") == "paused"
        clients = [threading.Thread(target=ask, args=(door,)) for _ in range(100)]
        for client in clients:
            client.start()
        time.sleep(1 * SLOW)
        cpu = door.cpu_seconds()
        time.sleep(1)
        assert ASAN or door.cpu_seconds() - cpu < 0.1, "waiting spins"
        grown = (door.rss_kib() - before) / 1024
        print(f"# {grown:.0f} MiB")
        assert ASAN or grown < 130, f"{grown:.0f} MiB"
        time.sleep(3 * SLOW)
        assert not answers, answers
        assert door.ask("resume") == "resumed"
        for client in clients:
            client.join()
        print(f"# {answers.count(200)} answered, {answers.count(503)} refused, {answers.count(0)} evicted")
        assert len(answers) == 100
        assert answers.count(200) >= 15
        assert set(answers) <= {200, 503, 0}
        door.check_alive()


# ---- a door that was taken

# number on x86-64 -> name
FORBIDDEN = {2: "open", 257: "openat", 437: "openat2", 85: "creat", 304: "open_by_handle_at", 41: "socket",
             53: "socketpair", 42: "connect", 49: "bind", 50: "listen", 59: "execve", 322: "execveat", 101: "ptrace",
             310: "process_vm_readv", 311: "process_vm_writev", 434: "pidfd_open", 438: "pidfd_getfd",
             424: "pidfd_send_signal", 62: "kill", 200: "tkill", 234: "tgkill", 56: "clone", 57: "fork", 58: "vfork",
             435: "clone3", 4: "stat", 262: "newfstatat", 87: "unlink", 263: "unlinkat", 82: "rename", 83: "mkdir",
             90: "chmod", 165: "mount", 161: "chroot", 105: "setuid", 157: "prctl", 160: "setrlimit", 302: "prlimit64",
             321: "bpf", 425: "io_uring_setup", 298: "perf_event_open", 319: "memfd_create", 250: "keyctl",
             313: "finit_module", 22: "pipe", 32: "dup", 72: "fcntl", 16: "ioctl", 54: "setsockopt", 308: "setns",
             272: "unshare"}
EPERM = -1


def inject(pid, *numbers):
    done = subprocess.run([find_program("inject"), str(pid), *map(str, numbers)], capture_output=True, text=True,
                          check=False)
    if done.returncode == 77:
        raise Skip("not known how to do on this architecture")
    assert done.returncode == 0, done.stderr
    return {int(word): int(value) for word, value in (line.split() for line in done.stdout.splitlines())}


@case
def a_taken_door_can_open_connect_and_read_nothing(box):
    if ASAN:
        raise Skip("builds with a sanitizer are not locked in")
    with Door(box, "tls") as door:
        door.check_alive("tls")
        got = inject(door.pid, 39, *FORBIDDEN)
        assert got.pop(39) == door.pid, "getpid is allowed, so this shows that calls are made"
        allowed = {FORBIDDEN[number]: value for number, value in got.items() if value != EPERM}
        assert not allowed, f"these reached the kernel: {allowed}"
        # The same in a process that is not confined reaches the kernel, which minds the arguments.
        with subprocess.Popen(["sleep", "60"]) as free:
            time.sleep(0.2)
            assert inject(free.pid, 257) == {257: -14}
            free.kill()
        door.check_alive("tls")  # it went on as if nothing had been


@case
def a_door_holds_nothing_but_sockets_and_cannot_be_read(box):
    if ASAN:
        raise Skip("builds with a sanitizer are not locked in")
    with Door(box, "tls", "unix") as door, door.client("tls") as client:
        client.send(get("/park"))
        door.await_state(core_parked=1)
        status = door.status()
        assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
        found = {os.readlink(f"/proc/{door.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{door.pid}/fd")}
        other = {name for name in found if not re.fullmatch(
            r"socket:\[\d+\]|anon_inode:\[(eventpoll|signalfd)\]|/dev/null", name)}
        assert other == {door.error_path}, other  # standard error, the driver's file
        with open(f"/proc/{door.pid}/limits", encoding="ascii") as file:
            limits = {line[:26].strip(): line[26:].split() for line in file}
        assert limits["Max core file size"][:2] == ["0", "0"]
        assert limits["Max open files"][0] == limits["Max open files"][1]
        # Not dumpable: its files in /proc are root's, whoever it runs as.
        assert os.stat(f"/proc/{door.pid}/mem").st_uid == 0
        with open(f"/proc/{door.pid}/maps", encoding="ascii") as file:
            libraries = set(re.findall(r"/(lib\w+)[-.\w]*\.so", file.read()))
        assert not libraries & {"libsqlite3", "libjansson", "libcurl"}, libraries


@case
def the_work_of_a_door_needs_no_call_that_is_forbidden(box):
    """Every system call of a run, from the filter on: none is refused, and no file is opened."""
    if ASAN:
        raise Skip("the sanitizer makes calls of its own")
    if not shutil.which("strace"):
        raise Skip("needs strace")
    trace = box.join("trace")
    traced = f"strace -f -qq -o {trace} {find_program('drover-door')}"
    script = write(box.join("traced"), f"#!/bin/sh\nexec {traced} \"$@\"\n", 0o755)
    with Door(box, "tls", "mtls", "plain", "unix", "header_ms=300", door=script) as door:
        for kind in ("tls", "mtls", "plain", "unix"):
            door.check_alive(kind, seconds=10)
            with door.client(kind) as parked:
                parked.send(get("/park"))
                door.await_state(core_parked=1)
                door.ask("wake")
                assert parked.answer().status == 200
                assert parked.ask(post("/echo", os.urandom(300000))).status == 200
                assert len(parked.ask(get("/big?2000000")).body) == 2000000
        with door.client() as slow:
            assert slow.ask(b"GET / HT").status == 408
        door.ask("reload")
        door.check_alive("tls", seconds=10)
        os.rename(os.path.join(door.pki, "ca.key"), os.path.join(door.pki, "server.key"))
        door.ask("reload")  # fails, and says so
        assert wait_until(lambda: "new settings are not used" in door.errors(), 5)
        assert door.ask("drain") == "exit 0"
    with open(trace, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    filters = [n for n, line in enumerate(lines) if "seccomp(SECCOMP_SET_MODE_FILTER" in line and " = 0" in line]
    assert filters, "no filter was installed"
    if any(re.search(r"landlock_create_ruleset\(NULL, .* = [1-9]", line) for line in lines):
        assert any(re.search(r"landlock_restrict_self\(.* = 0$", line) for line in lines), "files are not given up"
    else:
        print("# this kernel has no Landlock")
    confined = lines[filters[-1] + 1:]
    assert len(confined) > 100
    refused = [line for line in confined if "EPERM" in line]
    assert not refused, refused[:10]
    assert not [line for line in confined if re.search(r"\b(open|openat|socket|connect)\(", line)]


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    run_all(need_programs)
