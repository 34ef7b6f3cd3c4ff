# SPDX-License-Identifier: Apache-2.0
"""Drives tests/fakes/host: makes hosts known to a controller, runs them by a scenario, and judges their record."""

import collections
import contextlib
import json
import os
import signal
import subprocess
import time

import drover

EVENTS = ["ApplicationStop", "DownloadBundle", "BeforeInstall", "Install", "AfterInstall", "ApplicationStart",
          "ValidateService"]
# What suites that do not care run: quick hosts of the second line of AWS's agent.
QUICK = {"manners": [{"kind": "native", "wait_ms": 1, "probe": False}], "rules": [{"delay_ms": [0, 2]}]}


def program():
    path = drover.find_program("fake-host")
    if not path:
        raise FileNotFoundError(f"fake-host is not built in {drover.BUILD}")
    return path


def setup(endpoint, ca, credentials, out, count, prefix="host-", first=1, tags=(), account="000000000000"):
    """Makes `count` hosts known and appends what they need to the file `out`."""
    argv = [program(), "setup", "--endpoint", endpoint, "--ca", ca, "--credentials", credentials, "--out", out,
            "--count", str(count), "--prefix", prefix, "--first", str(first), "--account", account]
    for key, value in tags:
        argv += ["--tag", f"{key}={value}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"


class Fleet:
    """A running fake-host. Its record can be read while it runs; stop() returns its summary."""

    def __init__(self, box, endpoint, ca, hosts, scenario=None, name="fleet", source="127.1.0.1", shard=None):
        self.record_path = box.join(name + ".record")
        self.scenario_path = box.join(name + ".scenario")
        self.errors_path = box.join(name + ".errors")
        self.read_bytes = 0
        self.records = []
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.record_path)  # of a fleet before this one
        self.tell(scenario or QUICK, at_start=True)
        argv = [program(), "run", "--endpoint", endpoint, "--hosts", hosts, "--scenario", self.scenario_path,
                "--record", self.record_path]
        argv += ["--ca", ca] if ca else []
        argv += ["--source", source] if source else []
        argv += ["--shard", shard] if shard else []
        with open(self.errors_path, "wb") as errors:
            self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=errors, text=True)

    def tell(self, scenario, at_start=False):
        """Changes what the hosts do from now on."""
        drover.write(self.scenario_path + ".new", json.dumps(scenario))
        os.rename(self.scenario_path + ".new", self.scenario_path)
        if not at_start:
            told = sum(one["what"] == "scenario" for one in self.read())
            self.process.send_signal(signal.SIGHUP)
            assert drover.wait_until(
                lambda: sum(one["what"] == "scenario" for one in self.read()) > told), drover.read(self.errors_path)

    def read(self):
        """All records so far."""
        if os.path.exists(self.record_path):
            with open(self.record_path, encoding="utf-8") as file:
                file.seek(self.read_bytes)
                whole, newline, _ = file.read().rpartition("\n")
            self.read_bytes += len((whole + newline).encode())
            self.records += [json.loads(line) for line in whole.splitlines()]
        return self.records

    def of(self, what, **members):
        """The records of that kind whose members are those given."""
        return [one for one in self.read() if one["what"] == what
                and all(one.get(name) == value for name, value in members.items())]

    def wait(self, test, seconds=30):
        """Waits until test(self) is true; says what the hosts saw last if it does not become so."""
        end = time.monotonic() + seconds * (3 if drover.ASAN else 1)
        while not test(self):
            assert self.process.poll() is None, f"fake-host ended: {drover.read(self.errors_path)}"
            assert time.monotonic() < end, "the hosts last saw:\n" + "\n".join(str(one) for one in self.read()[-20:])
            time.sleep(0.05)

    def answers(self):
        """How many answers all hosts together have had so far."""
        had = len(self.of("answers"))
        self.process.send_signal(signal.SIGUSR1)
        assert drover.wait_until(lambda: len(self.of("answers")) > had), drover.read(self.errors_path)
        return int(self.of("answers")[-1]["detail"])

    def stop(self):
        """Ends it; returns its summary."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=60)
        errors = drover.read(self.errors_path)
        assert self.process.returncode == 0, f"fake-host ended with {self.process.returncode}: {errors}"
        self.read()
        return json.loads(out)

    def kill(self):
        with contextlib.suppress(OSError):
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    # ---- judgement

    def ran(self, deployment):
        """host -> the events of that deployment that ran there, in their order."""
        found = collections.defaultdict(list)
        for one in self.of("ran", deployment=deployment):
            found[one["host"]].append(one["event"])
        return found

    def expect_once(self, events=None):
        """No command twice, whatever was lost or repeated: each event of a deployment ran at most once a host, in
        order."""
        order = events or EVENTS
        ran = collections.defaultdict(list)
        for one in self.of("started"):
            ran[(one["host"], one["deployment"])].append(one["event"])
        for (host, deployment), names in ran.items():
            twice = [name for name, n in collections.Counter(names).items() if n > 1]
            assert not twice, f"{deployment} on {host}: {twice} ran more than once: {names}"
            places = [order.index(name) for name in names]
            assert places == sorted(places), f"{deployment} on {host}: out of order: {names}"
