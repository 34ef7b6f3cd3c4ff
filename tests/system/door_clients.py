# SPDX-License-Identifier: Apache-2.0
"""A door without its core, and clients of it, well-behaved and other: what the suites about doors share."""

import contextlib
import os
import resource
import socket
import ssl
import subprocess
import time

from drover import ASAN, Skip, find_program, wait_until

SLOW = 3 if ASAN else 1  # patience, not speed
HOST = b"Host: localhost\r\n"


def need_programs():
    for name in ("drover-door", "door-driver", "inject"):
        if not find_program(name):
            raise FileNotFoundError(f"{name} is not built")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def get(path, *headers):
    return b"GET %s HTTP/1.1\r\n%s%s\r\n" % (path.encode(), HOST, b"".join(h.encode() + b"\r\n" for h in headers))


def post(path, body, *headers):
    return get(path, *headers, f"Content-Length: {len(body)}").replace(b"GET", b"POST", 1) + body


# ---- certificates


def openssl(*argv, cwd):
    subprocess.run(["openssl", *argv], cwd=cwd, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def make_server(directory, name="localhost"):
    """A server certificate that clients trust as it is: server.pem, server.key."""
    openssl("req", "-x509", *EC, "-keyout", "server.key", "-out", "server.pem", "-days", "36500",
            "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", cwd=directory)


def make_ca(directory, name="ca"):
    openssl("req", "-x509", *EC, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "36500", "-subj",
            f"/CN={name}", cwd=directory)


def make_client(directory, name, ca="ca", days="36500"):
    """NAME.pem and NAME.key, issued by the CA for a host of that name."""
    with open(os.path.join(directory, f"{name}.ext"), "w", encoding="ascii") as file:
        file.write(f"subjectAltName=URI:arn:aws:iam::000000000000:user/drover/{name}\nextendedKeyUsage=clientAuth\n")
    openssl("req", *EC, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}", cwd=directory)
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial",
            "-days", days, "-extfile", f"{name}.ext", "-out", f"{name}.pem", cwd=directory)


# ---- the door


class Door:
    """A door under door-driver; a context that ends it."""

    def __init__(self, box, *arguments, door=None, pass_fds=()):
        self.pki = box.join("pki")
        if not os.path.isdir(self.pki):
            os.mkdir(self.pki)
            make_server(self.pki)
            make_ca(self.pki)
        self.error_path = box.join("door.err")
        self.unix_path = box.join("door.sock")
        words = [f"unix:{self.unix_path}" if word == "unix" else word for word in arguments]
        with open(self.error_path, "ab") as err:
            self.process = subprocess.Popen(
                [find_program("door-driver"), door or find_program("drover-door"), self.pki, *words],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True, pass_fds=pass_fds)
        self.ports, self.kinds, self.pid = [], [word for word in words if "=" not in word], 0
        while not self.pid:
            name, _, value = self.line().partition(" ")
            if name == "port":
                self.ports.append(int(value))
            elif name == "door":
                self.pid = int(value)
            else:
                raise AssertionError(f"door-driver says {name} {value}: {self.errors()}")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            status = self.process.wait(10 * SLOW)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process.stdout.close()
        if kind or status not in (0, -9):  # a case may have killed it
            print("\n".join(f"# {line}" for line in self.errors().splitlines()))
        assert kind or status in (0, -9), f"the door ended badly: {status}"

    def line(self):
        line = self.process.stdout.readline()
        assert line, f"door-driver ended: {self.errors()}"
        return line.strip()

    def errors(self):
        with open(self.error_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def tell(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def ask(self, word):
        self.tell(word)
        return self.line()

    def state(self):
        return {name: int(value) for name, value in (word.split("=") for word in self.ask("state").split())}

    def last(self):
        return dict(word.split("=", 1) for word in self.ask("last").split())

    def await_state(self, seconds=3, **wanted):
        """Waits until the core has seen exactly that; the door's own counts come once a second."""
        def is_so():
            state = self.state()
            return all(state[name] == value for name, value in wanted.items())
        assert wait_until(is_so, seconds * SLOW), f"not {wanted}: {self.state()}"

    def status(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)

    def rss_kib(self):
        return int(self.status()["VmRSS"].split()[0])

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0]) / 1e9

    def port(self, kind):
        return self.ports[[k for k in self.kinds if not k.startswith("unix:")].index(kind)]

    def connect(self, kind="plain", source="127.0.0.1", timeout=10):
        """A connected socket, without TLS whatever the listener."""
        if kind == "unix":
            plain = socket.socket(socket.AF_UNIX)
            plain.settimeout(timeout * SLOW)
            plain.connect(self.unix_path)
            return plain
        return socket.create_connection(("127.0.0.1", self.port(kind)), timeout * SLOW, (source, 0))

    def context(self, certificate=None, version=None):
        context = ssl.create_default_context(cafile=os.path.join(self.pki, "server.pem"))
        if certificate:
            context.load_cert_chain(os.path.join(self.pki, f"{certificate}.pem"),
                                    os.path.join(self.pki, f"{certificate}.key"))
        if version:
            context.minimum_version = context.maximum_version = version
        return context

    def client(self, kind="plain", certificate=None, version=None, context=None, session=None, **more):
        plain = self.connect(kind, **more)
        if kind not in ("tls", "mtls"):
            return Client(plain)
        context = context or self.context(certificate, version)
        try:
            return Client(context.wrap_socket(plain, server_hostname="localhost", session=session))
        except BaseException:
            plain.close()
            raise

    def check_alive(self, kind="plain", seconds=2):
        """Another client is served, and soon."""
        began = time.monotonic()
        with self.client(kind) as client:
            assert client.ask(get("/")).status == 200
        took = time.monotonic() - began
        assert took < seconds * SLOW, f"another client waited {took:.2f} s"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


class Client:
    """A connection that reads answers strictly."""

    def __init__(self, connection):
        self.socket = connection
        self.early = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            data = b""
        self.early += data
        return data

    def answer(self, has_body=True):
        """The next answer; None at the end of the connection."""
        while b"\r\n\r\n" not in self.early:
            if not self.more():
                assert not self.early, f"half an answer: {self.early!r}"
                return None
        head, _, self.early = self.early.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version == "HTTP/1.1"
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers.get("Content-Length", 0)) if has_body else 0
        while len(self.early) < length:
            assert self.more(), "half a body"
        body, self.early = self.early[:length], self.early[length:]
        return Answer(int(status), headers, body)

    def ask(self, data, has_body=True):
        self.send(data)
        answer = self.answer(has_body)
        assert answer, "no answer"
        return answer

    def is_closed(self, seconds=3):
        """Whether the door closes it within that time, and says nothing more."""
        self.socket.settimeout(seconds * SLOW)
        try:
            return not self.more() and not self.early
        except (TimeoutError, socket.timeout):
            return False

    def reset(self):
        """RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.socket.close()


def need_fds(n):
    """How many of n connections can be had here, with a word about it if fewer."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < 2000:
        raise Skip(f"needs more than {hard} descriptors a process")
    return min(n, hard - 1000)
