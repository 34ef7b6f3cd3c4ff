#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The core of a controller is killed, or its disk fails, at the N-th call that writes, syncs, renames, unlinks or sends,
amid a deployment of five hosts and while a client makes things. Afterwards all must be as if nothing had happened: no
command ran twice, none was lost, what was answered is there, the deployment succeeds.

Without DROVER_FULL=1 a sample of the calls, drawn by DROVER_SEED; with it all of them."""

import contextlib
import http.client
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time

import drover
import droverd
import faults
import fleet

HOSTS = 5
SECONDS = 60 * (3 if drover.ASAN else 1)
UNREACHABLE = (OSError, http.client.HTTPException)
# Hosts of ours and of both lines of AWS's. The second line waits seconds before it comes back to a controller that was
# away, so not every run has one.
QUICK = [{"kind": "drover", "wait_ms": 5, "probe": False}, {"hosts": "web-0000[23]", "kind": "ruby"}]
PATIENT = {"hosts": "web-00004", "kind": "native"}
PATIENT_ONE_IN = 25 if drover.FULL else 4

tap = faults.Tap()


class Trouble(Exception):
    """What was found, in lines."""


def check(good, *lines):
    if not good:
        raise Trouble("\n".join(str(line) for line in lines))


def until(what, test, seconds=SECONDS):
    """The first answer of test() that is true; a controller that is away, or says 503, is asked again."""
    end = time.monotonic() + seconds
    last = None
    while time.monotonic() < end:
        try:
            found = test()
            if found:
                return found
        except UNREACHABLE as failure:
            last = failure
        except droverd.Refused as refused:
            if refused.status < 500:
                raise
            last = refused
        time.sleep(0.02)
    raise Trouble(f"waited in vain until {what}; {last!r}")


class Maker(threading.Thread):
    """Makes one thing after the other; notes what was answered, and how often the answer was a 503."""

    def __init__(self, controller):
        super().__init__(daemon=True)
        self.client = droverd.Client("127.0.0.1", controller.port, controller.ca, controller.key, controller.secret)
        self.applications, self.hosts = [], []
        self.n_refused = 0
        self.over = threading.Event()
        self.trouble = None

    def run(self):
        try:
            for i in range(25):
                for kind in (self.make_application, self.make_host):
                    while not self.over.is_set() and not self.attempt(kind, i):
                        time.sleep(0.02)
                self.over.wait(0.02)
        except Exception as failure:  # pylint: disable=broad-except
            self.trouble = failure
        self.client.close()

    def attempt(self, kind, number):
        """True if it is there. An answer that was lost may have left it there: then the next attempt says so."""
        try:
            kind(number)
            return True
        except UNREACHABLE:
            pass  # once more
        except droverd.Refused as refused:
            if refused.status != 503:
                raise
            self.n_refused += 1
        return False

    def make_application(self, number):
        name = f"app-{number}"
        try:
            self.client.call("CreateApplication", applicationName=name)
        except droverd.Refused as refused:
            if refused.type != "ApplicationAlreadyExistsException":
                raise
        self.applications.append(name)

    def make_host(self, number):
        name = f"made-{number}"
        try:
            self.client.call("RegisterOnPremisesInstance", instanceName=name,
                             iamUserArn=f"arn:aws:iam::{droverd.ACCOUNT}:user/{name}")
        except droverd.Refused as refused:
            if refused.type != "InstanceNameAlreadyRegisteredException":
                raise
        self.hosts.append(name)


class Rig:
    """A controller with five hosts and a group, made once; each run begins with a copy of it."""

    def __init__(self, directory):
        self.box = drover.Box(directory)
        self.controller = droverd.Droverd(self.box)
        self.template = self.box.join("template")
        self.report_path = self.box.join("report")
        self.n_runs = self.n_struck = 0
        self.controller.hosts(HOSTS)
        self.controller.group(config="CodeDeployDefault.HalfAtATime")
        self.controller.stop()
        self.controller.client.close()
        shutil.copytree(self.controller.directory, self.template, symlinks=True)

    def reset(self):
        shutil.rmtree(self.controller.directory)
        shutil.copytree(self.template, self.controller.directory, symlinks=True)
        with open(self.controller.log_path, "wb"):
            pass

    def start(self, fault):
        """fault: options of the fault program; None: without it. It may strike before the controller is ready: then
        that ends, as a service manager would see, and is started again in peace."""
        controller = self.controller
        controller.wrap = []
        if fault is not None:
            controller.wrap = [faults.FAULT, "--only=droverd-core", f"--below={controller.directory}",
                               f"--output={self.report_path}", *fault, "--"]
        try:
            controller.start()
        except AssertionError:
            check(fault is not None and controller.process.poll() is not None, "it does not start", controller.log())
            self.start(None)

    def report(self):
        """How many calls counted, and at which the fault struck."""
        text = drover.read(self.report_path)
        calls = re.search(r"^calls (\d+)$", text, re.M)
        struck = re.search(r"^struck at (.*)$", text, re.M)
        return int(calls.group(1)) if calls else 0, struck.group(1) if struck else None

    def deploy(self):
        """Creates the deployment, again if the answer was lost. Returns its id if that was answered."""
        try:
            return until("a deployment is created", self.controller.deploy)
        except droverd.Refused as refused:
            # The one whose answer was lost.
            check(refused.type == "DeploymentLimitExceededException", refused)
            return None

    def all_ended(self):
        numbers = self.controller.call("ListDeployments")["deployments"]
        found = [self.controller.deployment(number) for number in numbers]
        return found if found and all(info["status"] in droverd.ENDED for info in found) else None

    def check_state(self, number, maker):
        """What the controller says after all. Returns all deployments once they ended."""
        ended = until("all deployments ended", self.all_ended)
        until("all is told", lambda: self.check_told(number, maker, ended))
        return ended

    def check_told(self, number, maker, ended):
        call = self.controller.call
        # What was answered before the lists are asked for: the client goes on meanwhile.
        made_applications, made_hosts = list(maker.applications), list(maker.hosts)
        for info in ended:
            check(info["status"] == "Succeeded", info)
            targets = self.controller.targets(info["deploymentId"])
            check(droverd.statuses(targets) == {"Succeeded": HOSTS}, targets)
        check(number is None or number in [info["deploymentId"] for info in ended], f"{number} is gone")
        applications = call("ListApplications")["applications"]
        lost = [name for name in made_applications if name not in applications]
        check(not lost, f"applications were answered and are gone: {lost}")
        hosts = call("ListOnPremisesInstances", registrationStatus="Registered")["instanceNames"]
        lost = [name for name in made_hosts if name not in hosts]
        check(not lost, f"hosts were answered and are gone: {lost}")
        groups = call("ListDeploymentGroups", applicationName="shop")["deploymentGroups"]
        check(groups == ["prod"], f"groups: {groups}")
        return True

    def check_hosts(self, hosts, ended):
        """What the hosts say: each event of each deployment once, in order, and none missing."""
        ends = [info["deploymentId"] for info in ended]
        drover.wait_until(lambda: all(len(hosts.of("completed", deployment=number)) >= HOSTS * len(fleet.EVENTS)
                                      for number in ends))
        hosts.expect_once()
        for info in ended:
            ran = hosts.ran(info["deploymentId"])
            for i in range(1, HOSTS + 1):
                check(ran[f"web-{i:05}"] == fleet.EVENTS, f"web-{i:05} ran {ran[f'web-{i:05}']}")

    def run(self, fault, during=None):
        """One deployment with a fault. Returns the report of the fault program and the maker."""
        self.reset()
        self.start(fault)
        maker = Maker(self.controller)
        self.n_runs += 1
        # What that line was told by 503 about a result it never tells again: its event then ends by a time-out.
        loses = any(option.startswith("--error") for option in fault or [])
        manners = QUICK + ([PATIENT] if self.n_runs % PATIENT_ONE_IN == 0 and not loses else [])
        with self.controller.fleet({"manners": manners, "rules": [{"delay_ms": [0, 5]}]}) as hosts:
            maker.start()
            if during:
                during(self.controller)
            number = self.deploy()
            self.check_state(number, maker)
            maker.over.set()
            maker.join(SECONDS)
            check(not maker.is_alive() and not maker.trouble, f"the client: {maker.trouble!r}")
            ended = self.check_state(number, maker)
            self.check_hosts(hosts, ended)
        self.end()
        found = self.report() if fault is not None else (0, None)
        self.controller.client.close()
        self.start(None)
        self.check_state(number, maker)
        self.end()
        return (*found, maker)

    def end(self):
        """In order if it can: a core that is being started again just now is not there to end."""
        self.controller.stop()

    def leave(self):
        self.controller.kill()


def attempt(rig, name, fault, during=None, want=None):
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(rig.report_path)
        calls, struck, maker = rig.run(fault, during)
        if want:
            want(struck, maker)
        rig.n_struck += struck is not None
        tap.ok(True, f"{name}: {re.sub(' pid [0-9]+', '', struck) if struck else f'not reached, {calls} calls'}")
    except (Trouble, AssertionError, droverd.Refused, OSError) as failure:
        tap.ok(False, name, [*str(failure).splitlines(), "the fault: " + str(rig.report() if os.path.exists(
            rig.report_path) else None), "droverd said:", *rig.controller.log().splitlines()[-15:]])
        rig.leave()
        rig.controller.process = None


def count_calls(rig, *options):
    """Of a whole run in peace."""
    calls, _, maker = rig.run(["--count", *options])
    check(calls > 100, f"only {calls} calls were counted")
    check(maker.applications and maker.hosts, "nothing was made meanwhile")
    tap.note(f"{calls} calls {' '.join(options)}")
    return calls


def kills(rig, rng):
    for n in faults.spread(rng, count_calls(rig, "--sends"), 12):
        how = rng.choice(("kill", "kill-after"))
        attempt(rig, f"--{how}={n}", ["--sends", f"--{how}={n}"])


def full_disks(rig, rng):
    """Full from the N-th call on until there is space again, a second later."""

    def make_space(controller):
        threading.Timer(1.0, controller.process.send_signal, [signal.SIGUSR1]).start()

    refused = 0
    for n in faults.spread(rng, count_calls(rig), 4):
        makers = []
        attempt(rig, f"no space from call {n} on", [f"--error={n}+:ENOSPC"], make_space,
                lambda _struck, maker, seen=makers: seen.append(maker))
        refused += sum(maker.n_refused for maker in makers)
    tap.ok(refused > 0, "clients were told by 503 that the disk is full")


def broken_disks(rig, rng):
    for n in faults.spread(rng, count_calls(rig), 6):
        attempt(rig, f"an I/O error at call {n}", [f"--error={n}:EIO"])


def main():
    if os.geteuid() != 0:
        faults.skip_all("needs root: ptrace")
    droverd.needs()
    seed = faults.seed()
    rng = random.Random(seed)
    tap.note(f"DROVER_SEED={seed}")
    directory = tempfile.mkdtemp(prefix="drover-kill-")
    signal.signal(signal.SIGTERM, faults.end_by_exception)
    rig = None
    try:
        rig = Rig(directory)
        wanted = sys.argv[1:] or ("kills", "full_disks", "broken_disks")
        for part in (kills, full_disks, broken_disks):
            if part.__name__ in wanted:
                part(rig, rng)
        # Runs differ in the number of their calls; a few may end before the fault.
        tap.ok(rig.n_struck >= rig.n_runs * 3 // 4 - 3, f"{rig.n_struck} of {rig.n_runs} runs were struck")
    finally:
        if rig:
            rig.leave()
        shutil.rmtree(directory, ignore_errors=True)
    tap.leave()


if __name__ == "__main__":
    main()
