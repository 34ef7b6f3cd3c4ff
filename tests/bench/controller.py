#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures droverd with simulated hosts over TLS; started by controller.sh.

Each figure is the median over runs; each run measures the controller, a bare door (one that answers at once, without a
core behind it) and the machine's own rates, one after the other, so that what else the machine does meets all three."""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")
POLLS = {"manners": [{"kind": "native", "wait_ms": 0, "probe": False, "start_ms": [0, 2000]}]}


def goal_of(value, limit, more=False):
    return "ok" if (value >= limit if more else value <= limit) else "MISSED"


def quantile(values, share):
    return sorted(values)[int(share * (len(values) - 1))]


# ---- what processes take


def processor_seconds(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def memory_bytes(pids):
    """Proportional set sizes: what is shared counts once."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    return total


def established(port):
    """Connections that the server's side of this port has."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        return sum(line.split()[3] == "01" and line.split()[1].endswith(f":{port:04X}") for line in file)


def wait_for_connections(port, count, seconds=120):
    end = time.monotonic() + seconds
    while established(port) < count:
        assert time.monotonic() < end, f"{established(port)} of {count} hosts are connected"
        time.sleep(0.1)


# ---- the parts of a run


class Box:
    """A directory, as the suites' cases have it."""

    def __init__(self, path):
        self.path = path

    def join(self, *names):
        return os.path.join(self.path, *names)


class Bench:
    def __init__(self, options, drover, droverd, fleet):
        self.options, self.drover, self.droverd, self.fleet = options, drover, droverd, fleet
        self.number = 0
        self.figures = {}

    def note(self, name, value):
        self.figures.setdefault(name, []).append(value)
        if self.options.verbose:
            print(f"# {name} {value:.1f}", flush=True)

    def median(self, name):
        return statistics.median(self.figures[name])

    def run(self, path):
        self.rates(path)
        self.number += 1
        box = Box(path)
        with self.droverd.Droverd(box) as controller:
            self.controller(box, controller)
        self.bare_door(box)

    def rates(self, path):
        done = subprocess.run([self.drover.find_program("rates"), path], capture_output=True, text=True, check=True)
        for line in done.stdout.splitlines():
            name, value = line.split()
            self.note(name, float(value))

    def controller(self, box, controller):
        options = self.options
        pids = lambda: [controller.process.pid, *controller.children()]  # noqa: E731
        at_start = memory_bytes(pids())
        controller.hosts(options.hosts, "web-")
        with controller.fleet(self.manner(options.hosts)) as hosts:
            wait_for_connections(controller.port, options.hosts)
            time.sleep(2)
            self.note("parked_bytes", (memory_bytes(pids()) - at_start) / options.hosts)
            before = processor_seconds(pids())
            time.sleep(5)
            self.note("idle_percent", (processor_seconds(pids()) - before) / 5 * 100)
            self.rollouts(controller, hosts, pids)
        self.latencies(controller, self.options.parked)

    @staticmethod
    def manner(count):
        # The kind that repeats what was lost: the other of AWS's waits for the time-out of an hour.
        return {"manners": [{"kind": "ruby", "wait_ms": 0, "probe": False, "start_ms": [0, count]}]}

    def rollouts(self, controller, hosts, pids):
        """Three in a row, all hosts at once: what is sustained is not what one burst gives."""
        count = self.options.hosts
        controller.group(config="CodeDeployDefault.AllAtOnce")
        answers, before = hosts.answers(), processor_seconds(pids())
        began = time.monotonic()
        for number in range(3):
            deployment = controller.deploy(revision=f"shop/{number}.tgz")
            info = controller.wait(deployment, 300)
            assert info["deploymentOverview"]["Succeeded"] == count, info
        took = time.monotonic() - began
        events = 3 * 7 * count
        self.note("events", events / took)
        self.note("request_us", (processor_seconds(pids()) - before) / (hosts.answers() - answers) * 1e6)
        hosts.expect_once()

    def latencies(self, controller, parked):
        """From sending CreateDeployment to the first host's having its first command, `parked` of them waiting."""
        rounds = self.options.rounds
        path = controller.hosts_path
        with open(path, encoding="utf-8") as file:
            some = file.readlines()[:parked]
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(some)
        for i in range(1, rounds + 1):
            controller.call("AddTagsToOnPremisesInstances", instanceNames=[f"web-{i:05}"],
                            tags=[{"Key": "slot", "Value": str(i)}])
            controller.group(group=f"slot-{i}", key="slot", value=str(i), config="CodeDeployDefault.AllAtOnce")
        with controller.fleet(self.manner(parked)) as hosts:
            wait_for_connections(controller.port, parked)
            time.sleep(2)
            sent = {}
            for i in range(1, rounds + 1):
                now = time.time()
                deployment = controller.deploy(group=f"slot-{i}", revision="shop/9.tgz")
                sent[f"web-{i:05}"] = now
                hosts.wait(lambda it, d=deployment: it.of("completed", event="ValidateService", deployment=d))
            first = {}
            for one in hosts.of("delivered"):
                first.setdefault(one["host"], one["at"])
            times = [(first[host] - at) * 1000 for host, at in sent.items()]
            self.note("first_p50", quantile(times, 0.5))
            self.note("first_p99", quantile(times, 0.99))

    def bare_door(self, box):
        """The same hosts against a door that answers by itself: what a request costs at the least."""
        directory = box.join("bare-door")
        os.mkdir(directory)
        for name in ("ca.pem", "keys/server.pem", "keys/server.key"):
            shutil.copy(box.join("droverd", name), directory)
        process = subprocess.Popen([self.drover.find_program("door-driver"), self.drover.find_program("drover-door"),
                                    directory, "tls"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            port = int(process.stdout.readline().split()[1])
            door = int(process.stdout.readline().split()[1])
            self.bare_parked(box, port, door)
            self.bare_requests(box, port, door)
        finally:
            process.stdin.close()
            process.wait()

    def bare_fleet(self, box, port, path, scenario):
        return self.fleet.Fleet(box, f"https://127.0.0.1:{port}{path}", box.join("droverd", "ca.pem"),
                                box.join("droverd.hosts"), scenario, name="bare")

    def bare_parked(self, box, port, door):
        at_start = memory_bytes([door])
        parked = self.options.parked
        with self.bare_fleet(box, port, "/park", self.manner(parked)):
            wait_for_connections(port, parked)
            time.sleep(2)
            self.note("bare_bytes", (memory_bytes([door]) - at_start) / parked)

    def bare_requests(self, box, port, door):
        with self.bare_fleet(box, port, "/", POLLS) as hosts:
            wait_for_connections(port, self.options.parked)
            time.sleep(2)
            answers, before = hosts.answers(), processor_seconds([door])
            time.sleep(4)
            answers, spent = hosts.answers() - answers, processor_seconds([door]) - before
            self.note("bare_us", spent / answers * 1e6)

    # ---- what it says

    def report(self):
        of = self.median
        events, request, parked = of("events"), of("request_us"), of("parked_bytes")
        print(f"medians of {self.number} runs, {self.options.hosts} hosts in rollouts, {self.options.parked} parked")
        rows = [
            ("CreateDeployment to the first poll's answer, p50", f"{of('first_p50'):.1f} ms", "10 ms",
             goal_of(of("first_p50"), 10)),
            ("the same, p99", f"{of('first_p99'):.1f} ms", "50 ms", goal_of(of("first_p99"), 50)),
            ("lifecycle events a second, durable", f"{events:,.0f}", "3,000", goal_of(events, 3000, more=True)),
            ("  share of the raw store, batches of 100", f"{events / of('store100'):.2f}", "", ""),
            ("server CPU a request", f"{request:.1f} us", "80 us", goal_of(request, 80)),
            ("  a bare door's", f"{of('bare_us'):.1f} us", "", ""),
            ("  ratio", f"{request / of('bare_us'):.2f}", "", ""),
            ("  a signature's part", f"{1e6 / of('signatures'):.1f} us", "", ""),
            ("memory a parked host, doors and core", f"{parked / 1024:.1f} KiB", "20 KiB",
             goal_of(parked, 20 * 1024)),
            ("  a bare door's", f"{of('bare_bytes') / 1024:.1f} KiB", "", ""),
            ("CPU while all wait", f"{of('idle_percent'):.1f} %", "", ""),
            ("raw store, batches of 1, 100, 1000", f"{of('store1'):,.0f} {of('store100'):,.0f} "
             f"{of('store1000'):,.0f} /s", "", ""),
            ("raw signatures", f"{of('signatures'):,.0f} /s", "", ""),
        ]
        for name, value, goal, verdict in rows:
            print(f"{name:<52} {value:>22}  {goal and 'goal ' + goal:<12} {verdict}".rstrip())
        return all(verdict != "MISSED" for *_, verdict in rows)


def parse():
    parser = argparse.ArgumentParser(prog="controller.sh")
    parser.add_argument("--build", required=True)
    parser.add_argument("--dir", default=os.environ.get("TMPDIR", "/tmp"))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--hosts", type=int, default=5000)
    parser.add_argument("--parked", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=200, help="deployments whose first answer is timed")
    parser.add_argument("--verbose", action="store_true", help="print each figure as it comes")
    return parser.parse_args()


def main():
    options = parse()
    os.environ["DROVER_BUILD_DIR"] = os.path.abspath(options.build)
    import drover
    import droverd
    import fleet
    bench = Bench(options, drover, droverd, fleet)
    for _ in range(options.pairs):
        with tempfile.TemporaryDirectory(prefix="drover-bench-", dir=options.dir) as path:
            bench.run(path)
    sys.exit(0 if bench.report() else 1)


main()
