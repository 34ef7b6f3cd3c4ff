# SPDX-License-Identifier: Apache-2.0
"""A controller of one's own for a case: made by `droverd init`, run on a free port, spoken to by AWS's command line, by
boto3 or by hand. Python's standard library; boto3 only where a suite asks for it."""

import contextlib
import configparser
import datetime
import hashlib
import hmac
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time

import drover
import fleet

AWS = "/usr/bin/aws"  # the distribution's own, whatever else is on PATH
REGION = "local"
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/deployer"
PROGRAMS = ("droverd", "drover-door")
ENDED = ("Succeeded", "Failed", "Stopped")


def needs():
    """For run_all(): what these suites stand on."""
    for name in (*PROGRAMS, "fake-host"):
        if not drover.find_program(name):
            raise FileNotFoundError(f"{name} is not built in {drover.BUILD}")


def needs_aws():
    needs()
    if not os.path.exists(AWS):
        raise drover.Skip(f"needs {AWS}")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def hmac_of(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Refused(Exception):
    """An error that the controller answered: .type, .status, .message."""

    def __init__(self, status, answer):
        self.status, self.type = status, answer.get("__type", "")
        self.message = answer.get("message", "")
        super().__init__(f"{status} {self.type}: {self.message}")


class Client:
    """Calls by hand over one kept connection, for what needs speed or a look at the very bytes."""

    def __init__(self, host, port, ca, key, secret):
        self.host, self.port, self.key, self.secret = host, port, key, secret
        self.context = ssl.create_default_context(cafile=ca)
        self.connection = None

    def sign(self, target, body, service, when):
        date = when.strftime("%Y%m%dT%H%M%SZ")
        headers = {"content-type": "application/x-amz-json-1.1", "host": f"{self.host}:{self.port}",
                   "x-amz-date": date, "x-amz-target": target}
        names = ";".join(sorted(headers))
        canonical = "\n".join(["POST", "/", ""] + [f"{name}:{headers[name]}" for name in sorted(headers)]
                              + ["", names, hashlib.sha256(body).hexdigest()])
        scope = f"{date[:8]}/{REGION}/{service}/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = b"AWS4" + self.secret.encode()
        for part in (date[:8], REGION, service, "aws4_request"):
            key = hmac_of(key, part)
        headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.key}/{scope}, SignedHeaders={names}, "
                                    f"Signature={hmac_of(key, text).hex()}")
        return headers

    def send(self, target, body, service="codedeploy", when=None):
        """Returns status, headers and body as they came."""
        headers = self.sign(target, body, service, when or datetime.datetime.now(datetime.timezone.utc))
        for again in (True, False):
            if not self.connection:
                self.connection = http.client.HTTPSConnection(self.host, self.port, timeout=60, context=self.context)
            try:
                self.connection.request("POST", "/", body, headers)
                answer = self.connection.getresponse()
                return answer.status, answer.headers, answer.read()
            except (http.client.HTTPException, OSError) as failure:
                self.close()
                if not again or not isinstance(failure, ConnectionError):
                    raise
        raise AssertionError

    def call(self, operation, prefix="CodeDeploy_20141006", **members):
        status, _, text = self.send(f"{prefix}.{operation}", json.dumps(members).encode())
        answer = json.loads(text) if text else {}
        if status != 200:
            raise Refused(status, answer)
        return answer

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def children_of(parent):
    """pid -> name."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                    text = file.read()
                name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
                if int(rest[1]) == parent:
                    found[int(entry)] = name
    return found


class Droverd:
    """A running controller. settings: text that is put at the end of droverd.yml."""

    def __init__(self, box, settings="", name="droverd", start=True):
        self.box = box
        self.directory = box.join(name)
        self.port = free_port()
        self.endpoint = f"https://127.0.0.1:{self.port}"
        self.ca = os.path.join(self.directory, "ca.pem")
        self.credentials = os.path.join(self.directory, "admin.credentials")
        self.config = os.path.join(self.directory, "droverd.yml")
        self.log_path = box.join(name + ".log")
        self.libexec = box.join(name + ".libexec")
        self.process = None
        self.wrap = []  # a program and its options that run droverd: the fault program
        os.mkdir(self.libexec)
        for helper in PROGRAMS:
            os.symlink(drover.find_program(helper), os.path.join(self.libexec, helper))
        self.env = {"PATH": os.environ["PATH"], "HOME": box.path, "LANG": "C.UTF-8", "DROVER_LIBEXEC_DIR": self.libexec}
        self.env.update({key: value for key, value in os.environ.items() if key.endswith("SAN_OPTIONS")})
        made = subprocess.run([os.path.join(self.libexec, "droverd"), "init", self.directory, "--name",
                               "localhost,127.0.0.1", "--listen", f"127.0.0.1:{self.port}"], env=self.env,
                              capture_output=True, text=True, timeout=60, check=False)
        assert made.returncode == 0, made.stdout + made.stderr
        if settings:
            with open(self.config, "a", encoding="utf-8") as file:
                file.write(settings)
        found = configparser.ConfigParser()
        found.read(self.credentials)
        self.key = found["drover"]["aws_access_key_id"]
        self.secret = found["drover"]["aws_secret_access_key"]
        self.client = Client("127.0.0.1", self.port, self.ca, self.key, self.secret)
        self.call = self.client.call
        self.hosts_path = box.join(name + ".hosts")
        if start:
            self.start()

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*self.wrap, os.path.join(self.libexec, "droverd"), "run", "--config",
                                             self.config], env=self.env, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        assert drover.wait_until(self.answers, 20), f"droverd does not answer: {self.log()}"

    def answers(self):
        assert self.process.poll() is None, f"droverd ended with {self.process.returncode}: {self.log()}"
        try:
            self.call("ListApplications")
            return True
        except OSError:
            return False

    def log(self):
        return drover.read(self.log_path) if os.path.exists(self.log_path) else ""

    def stop(self, seconds=10):
        """Ends it by SIGTERM; returns how long that took. What a sanitizer found fails the case."""
        began = time.monotonic()
        if self.process and self.process.poll() is None:
            os.kill(self.service(), signal.SIGTERM)
            self.process.wait(seconds * (3 if drover.ASAN else 1))
        took = time.monotonic() - began
        status, self.process = (self.process.returncode if self.process else 0), None
        text = self.log()
        assert status == 0, f"droverd ended with {status}: {text[-5000:]}"
        for word in ("AddressSanitizer", "LeakSanitizer", "runtime error:"):
            assert word not in text, text[-8000:]
        return took

    def kill(self):
        self.client.close()
        if self.process and self.process.poll() is None:
            children = self.children()
            self.process.kill()
            self.process.wait()
            for pid in children:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)

    def service(self):
        """The pid of `droverd run`."""
        below = children_of(self.process.pid) if self.wrap else {}
        return next(iter(below), self.process.pid)

    def children(self):
        """Core and doors: pid -> name."""
        return children_of(self.service())

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        try:
            if failure:
                print("# droverd said: " + "\n# ".join(self.log().splitlines()[-30:]))
            else:
                self.stop()
        finally:
            self.kill()
            shutil.rmtree(self.libexec, ignore_errors=True)

    # ---- AWS's command line

    def aws_environment(self):
        return {"PATH": "/usr/bin:/bin", "HOME": self.box.path, "LANG": "C.UTF-8", "AWS_PAGER": "",
                "AWS_SHARED_CREDENTIALS_FILE": self.credentials, "AWS_PROFILE": "drover", "AWS_CA_BUNDLE": self.ca,
                "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1"}

    def aws(self, *words, status=0, timeout=120):
        """Runs `aws deploy ...`; returns what it printed as JSON, or the text of its failure."""
        argv = [AWS, "deploy", words[0], "--endpoint-url", self.endpoint, "--output", "json",
                *[one if isinstance(one, str) else json.dumps(one) for one in words[1:]]]
        done = subprocess.run(argv, env=self.aws_environment(), capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == status, f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}{done.stderr}"
        if status != 0:
            return done.stderr.strip()
        return json.loads(done.stdout) if done.stdout.strip() else {}

    # ---- what most cases need

    def hosts(self, count, prefix="web-", tags=(("role", "web"),), first=1):
        """Makes `count` hosts known; their credentials gather in hosts_path."""
        fleet.setup(self.endpoint, self.ca, self.credentials, self.hosts_path, count, prefix, first, tags)

    def web_fleet(self, count, scenario=None, **more):
        """Makes `count` hosts with role=web known and runs them."""
        self.hosts(count)
        return self.fleet(scenario, **more)

    def fleet(self, scenario=None, **more):
        return fleet.Fleet(self.box, self.endpoint, self.ca, self.hosts_path, scenario, **more)

    def group(self, application="shop", group="prod", config=None, key="role", value="web", **more):
        with contextlib.suppress(Refused):
            self.call("CreateApplication", applicationName=application)
        if config:
            more["deploymentConfigName"] = config
        self.call("CreateDeploymentGroup", applicationName=application, deploymentGroupName=group,
                  serviceRoleArn=ROLE, onPremisesInstanceTagFilters=[
                      {"Key": key, "Value": value, "Type": "KEY_AND_VALUE"}], **more)

    def deploy(self, application="shop", group="prod", revision="shop/1.tgz", **more):
        return self.call("CreateDeployment", applicationName=application, deploymentGroupName=group,
                         revision=s3(revision), **more)["deploymentId"]

    def deployment(self, number):
        return self.call("GetDeployment", deploymentId=number)["deploymentInfo"]

    def wait(self, number, seconds=60, status=ENDED):
        """Waits until the deployment has ended; returns its description."""
        allowed = (status,) if isinstance(status, str) else status
        end = time.monotonic() + seconds * (3 if drover.ASAN else 1)
        while True:
            info = self.deployment(number)
            if info["status"] in allowed:
                return info
            assert info["status"] not in ENDED, f"{number} ended: {info}"
            assert time.monotonic() < end, f"{number} is still {info['status']}: {info['deploymentOverview']}"
            time.sleep(0.05)

    def targets(self, number):
        """target id -> its description, of all pages."""
        found, token = {}, {}
        while True:
            page = self.call("ListDeploymentTargets", deploymentId=number, **token)
            ids = page["targetIds"]
            for start in range(0, len(ids), 25):
                batch = self.call("BatchGetDeploymentTargets", deploymentId=number, targetIds=ids[start:start + 25])
                for one in batch["deploymentTargets"]:
                    found[one["instanceTarget"]["targetId"]] = one["instanceTarget"]
            if "nextToken" not in page:
                return found
            token = {"nextToken": page["nextToken"]}


def s3(key, bucket="bundles"):
    return {"revisionType": "S3", "s3Location": {"bucket": bucket, "key": key, "bundleType": "tgz"}}


def statuses(targets):
    """How many targets are in each status."""
    found = {}
    for target in targets.values():
        found[target["status"]] = found.get(target["status"], 0) + 1
    return found
