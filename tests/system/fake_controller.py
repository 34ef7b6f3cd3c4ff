# SPDX-License-Identifier: Apache-2.0
"""A small controller for testing the simulated hosts themselves: it speaks TLS, verifies every signature by its own
arithmetic, and hands out the commands that a case queues. Python's standard library and openssl(1)."""

import collections
import contextlib
import email.utils
import hashlib
import hmac
import json
import os
import select
import socket
import socketserver
import ssl
import subprocess
import threading
import time

PREFIXES = {"CodeDeployCommandService_v20141006": "codedeploy-commands",
            "CodeDeployCommandService": "codedeploy-commands-secure",
            "CodeDeploy_20141006": "codedeploy", "Drover_20261120": "codedeploy"}


def certificate(box, name):
    """Makes a key and a certificate that signed itself, for 127.0.0.1; returns both paths."""
    key, cert = box.join(name + ".key"), box.join(name + ".pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert,
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"],
                   check=True, capture_output=True)
    return key, cert


def signed(content, key, cert, form="smime"):
    """The content as PKCS7 in PEM, as agents want it; form "cms": under the label that ours want."""
    done = subprocess.run(["openssl", form, "-sign", "-nodetach", "-binary", "-outform", "pem", "-signer", cert,
                           "-inkey", key, "-md", "sha256"], input=json.dumps(content).encode(), check=True,
                          capture_output=True)
    return done.stdout.decode()


def specification(deployment, revision="app/1.tgz", **more):
    return {"DeploymentId": deployment, "DeploymentGroupId": "5f0c2a9e-1111-4222-8333-444455556666",
            "DeploymentGroupName": "web", "ApplicationName": "shop", "DeploymentCreator": "user",
            "DeploymentType": "IN_PLACE", "Revision": {"RevisionType": "S3", "S3Revision": {
                "Bucket": "bundles", "Key": revision, "BundleType": "tgz"}}, **more}


def hmac_of(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature_of(secret, headers, target, body, credential, names):
    """The signature that the request must bear."""
    _, date, region, service, _ = credential.split("/")
    canonical = "\n".join(["POST", "/", ""] + [f"{name}:{headers[name]}" for name in names]
                          + ["", ";".join(names), hashlib.sha256(body).hexdigest()])
    scope = f"{date}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = hmac_of(hmac_of(hmac_of(hmac_of(b"AWS4" + secret.encode(), date), region), service), "aws4_request")
    assert service == PREFIXES[target.partition(".")[0]], f"{target} is signed for {service}"
    return hmac_of(key, text).hex()


class Request:
    """One call as it arrived: host, operation, input."""

    def __init__(self, host, operation, body, headers, at):
        self.host, self.operation, self.body, self.headers, self.at = host, operation, body, headers, at
        self.stream = None  # whom to watch while it is parked

    def __repr__(self):
        return f"{self.host} {self.operation} {self.body}"


class Controller:
    """Serves until done(). `requests` has what arrived, `mistakes` what no agent would send."""

    def __init__(self, box, hosts):
        """hosts: how many names (host-1...) with keys of their own."""
        self.key, self.ca = certificate(box, "server")
        self.box = box
        self.secrets = {f"AKID{i}": (f"host-{i}", f"secret{i}") for i in range(1, hosts + 1)}
        self.secrets["AKADMIN"] = ("admin", "adminsecret")
        self.queues = collections.defaultdict(collections.deque)
        self.payloads, self.contents = {}, {}  # by execution id
        self.binding = {}  # what orders for our own agents say otherwise than they should
        self.requests, self.mistakes, self.probes, self.connections = [], [], 0, 0
        self.refusals = collections.deque()  # (operation, status, type): the next such call is refused
        self.acknowledgement = "InProgress"
        self.park_seconds = 30
        self.chains = False  # whether a completion's answer carries the next command
        self.stopping = False
        self.changed = threading.Condition()
        self.hosts_path = box.join("hosts")
        with open(self.hosts_path, "w", encoding="utf-8") as file:
            for key, (name, secret) in self.secrets.items():
                if name != "admin":
                    print(json.dumps({"name": name, "arn": self.arn(name), "accessKeyId": key,
                                      "secretAccessKey": secret}), file=file)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, self.key)
        controller = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError):
                    self.request.settimeout(60)
                    self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    with context.wrap_socket(self.request, server_side=True) as stream:
                        controller.serve(stream)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 512

        self.server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"https://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def arn(name):
        return f"arn:aws:iam::000000000000:user/{name}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping = True
        with self.changed:
            self.changed.notify_all()
        self.server.shutdown()
        self.server.server_close()

    # ---- what cases do

    def publish(self, deployment, content=None, key=None, cert=None, tamper=None):
        """Makes a deployment's specification available; returns its execution id."""
        content = content or specification(deployment)
        payload = signed(content, key or self.key, cert or self.ca)
        if tamper:
            payload = tamper(payload)
        execution = f"us-east-1/000000000000/{deployment}/1"
        self.payloads[execution] = payload
        self.contents[execution] = content
        return execution

    def queue(self, host, execution, event, command, **more):
        with self.changed:
            self.queues[host].append({"HostCommandIdentifier": command, "HostIdentifier": self.arn(host),
                                      "DeploymentExecutionId": execution, "CommandName": event, "Nonce": 1, **more})
            self.changed.notify_all()

    def of(self, operation, host=None):
        with self.changed:
            return [one for one in self.requests if one.operation == operation and host in (None, one.host)]

    def await_calls(self, operation, count, seconds=20):
        with self.changed:
            done = self.changed.wait_for(
                lambda: sum(one.operation == operation for one in self.requests) >= count, seconds)
        assert done, f"{len(self.of(operation))} calls of {operation}, not {count}: {self.requests[-10:]}"
        return self.of(operation)

    # ---- the wire

    def serve(self, stream):
        self.connections += 1
        reader = stream.makefile("rb")
        while not self.stopping:
            line = reader.readline().decode("latin-1")
            if not line:
                return
            headers = {}
            while (field := reader.readline().decode("latin-1").rstrip("\r\n")):
                name, _, value = field.partition(":")
                headers[name.lower()] = value.strip()
            try:
                length = int(headers.get("content-length", "0"))
                body = reader.read(length) if length >= 0 else b""
                status, answer, last = self.answer(line, headers, body, stream)
            except Exception as mistake:  # pylint: disable=broad-except
                self.mistakes.append(f"{line.strip()}: {mistake!r}")
                status, answer, last = 400, {"__type": "SerializationException", "message": str(mistake)}, True
            if status is None:
                return  # as if the network had eaten the answer
            text = json.dumps(answer).encode() if answer is not None else b""
            stream.sendall((f"HTTP/1.1 {status} x\r\nDate: {email.utils.formatdate(usegmt=True)}\r\n"
                            "Content-Type: application/x-amz-json-1.1\r\n"
                            f"Content-Length: {len(text)}\r\n" + ("Connection: close\r\n" if last else "")
                            + "\r\n").encode() + text)
            if last:
                return

    def answer(self, line, headers, body, stream):
        if line == "GET / HTTP/1.1\r\n":
            self.probes += 1
            assert headers["connection"] == "close"
            return 404, None, True
        assert line == "POST / HTTP/1.1\r\n", line
        host, target = self.authenticate(headers, body)
        operation = target.partition(".")[2]
        request = Request(host, operation, json.loads(body), headers, time.monotonic())
        request.stream = stream
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()
            for refusal in self.refusals:
                if refusal[0] == operation:
                    self.refusals.remove(refusal)
                    return refusal[1], {"__type": refusal[2], "message": "no"}, False
        return 200, getattr(self, operation)(request), False

    def authenticate(self, headers, body):
        assert headers["content-type"] == "application/x-amz-json-1.1"
        assert headers["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest()
        target = headers["x-amz-target"]
        algorithm, _, rest = headers["authorization"].partition(" ")
        assert algorithm == "AWS4-HMAC-SHA256"
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        name, secret = self.secrets[parts["Credential"].split("/")[0]]
        names = parts["SignedHeaders"].split(";")
        assert {"host", "x-amz-date", "x-amz-target", "content-type"} <= set(names)
        assert parts["Signature"] == signature_of(secret, headers, target, body, parts["Credential"], names)
        if target.startswith("CodeDeployCommandService"):
            assert "x-amz-codedeploy-agent-version" in names
        return name, target

    # ---- the operations

    def PollHostCommand(self, request):
        assert request.body == {"HostIdentifier": self.arn(request.host)}
        end = time.monotonic() + self.park_seconds
        with self.changed:
            while time.monotonic() < end and not self.stopping:
                if select.select([request.stream], [], [], 0)[0]:
                    break  # whoever asked is gone
                if self.queues[request.host]:
                    return {"HostCommand": self.queues[request.host].popleft()}
                self.changed.wait(0.05)
        return {}

    def GetDeploymentSpecification(self, request):
        assert set(request.body) == {"DeploymentExecutionId", "HostIdentifier"}
        assert request.body["HostIdentifier"] == self.arn(request.host)
        execution = request.body["DeploymentExecutionId"]
        envelope = {"Format": "PKCS7/JSON", "Payload": self.payloads[execution]}
        if request.headers.get("x-drover-agent") == "1":
            envelope = {"Format": "CMS/JSON", "Payload": self.order(request.host, execution)}
        return {"DeploymentSystem": "CodeDeploy", "DeploymentSpecification": {"GenericEnvelope": envelope}}

    def order(self, host, execution):
        """A specification bound to one host, for our own agents."""
        now = int(time.time() * 1000)
        binding = {"HostIdentifier": self.arn(host), "Order": execution, "Sequence": now, "IssuedAt": now,
                   "NotAfter": now + 60000, "Events": ["ApplicationStop", "DownloadBundle", "BeforeInstall", "Install",
                                                       "AfterInstall", "ApplicationStart", "ValidateService"]}
        return signed({**self.contents[execution], "Drover": {**binding, **self.binding}}, self.key, self.ca,
                      form="cms")

    def PutHostCommandAcknowledgement(self, request):
        assert set(request.body) == {"Diagnostics", "HostCommandIdentifier"}
        assert request.body["Diagnostics"]["Format"] == "JSON"
        assert set(json.loads(request.body["Diagnostics"]["Payload"])) == {"IsCommandNoop"}
        return {"CommandStatus": self.acknowledgement}

    def PutHostCommandComplete(self, request):
        assert set(request.body) == {"CommandStatus", "Diagnostics", "HostCommandIdentifier"}
        assert request.body["CommandStatus"] in ("Succeeded", "Failed")
        payload = json.loads(request.body["Diagnostics"]["Payload"])
        assert list(payload) == ["error_code", "script_name", "message", "log"]
        if self.chains and self.queues[request.host]:
            return {"HostCommand": self.queues[request.host].popleft()}
        return {}

    def CreateKey(self, request):
        assert request.host == "admin" and request.body["role"] == "host"
        name = request.body["name"]
        assert request.body["userArn"] == self.arn(name)
        self.secrets[f"AKNEW{name}"] = (name, "s" + name)
        return {"accessKeyId": f"AKNEW{name}", "secretAccessKey": "s" + name}

    def RegisterOnPremisesInstance(self, request):
        assert request.body["iamUserArn"] == self.arn(request.body["instanceName"])
        return {}

    def AddTagsToOnPremisesInstances(self, request):
        assert request.body["tags"] and request.body["instanceNames"]
        return {}


def diagnostics(request):
    return json.loads(request.body["Diagnostics"]["Payload"])


def credentials_file(box):
    path = box.join("credentials")
    with open(path, "w", encoding="utf-8") as file:
        file.write("[default]\naws_access_key_id = x\naws_secret_access_key = y\n"
                   "[drover]\naws_access_key_id = AKADMIN\naws_secret_access_key = adminsecret\n")
    os.chmod(path, 0o600)
    return path
