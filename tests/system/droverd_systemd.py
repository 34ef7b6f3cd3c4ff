#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""droverd as a service of a systemd that was booted for it: its unit and the sandbox of that, start, reload, crash, end
and reboot."""

import functools
import json
import os
import re
import time

import host as hosts
from drover import ASAN, Skip, allow, case, run_all, wait_until

DIR = "/var/lib/droverd"
LAYERS = None


def on_host(function):
    """Marks a case that is given a fresh host with an initialised controller."""
    @functools.wraps(function)
    def with_host(_box):
        if ASAN:
            raise Skip("the unit's sandbox leaves sanitizers no room")
        allow(240)
        with hosts.Host(LAYERS, "unified") as host:
            host.exec("systemd-sysusers").expect(0)
            host.exec("install", "-d", "-m", "700", "-o", "droverd", "-g", "droverd", DIR).expect(0)
            host.exec(f"{host.prefix}/sbin/droverd", "init", DIR).expect(
                0, "owner droverd", "Next: systemctl enable --now droverd")
            function(host)
    return case(with_host)


def start(host):
    host.exec("systemctl", "enable", "--now", "droverd").expect(0)
    assert host.unit("droverd", "ActiveState")["ActiveState"] == "active"


def ask(host, operation="ListApplications", body="{}", url="https://localhost:8443/", more=()):
    """One call of the API, from inside."""
    found = dict(re.findall(r"^(aws_\w+) = (.*)$", host.read(f"{DIR}/admin.credentials"), re.M))
    return host.exec("curl", "--silent", "--show-error", "--fail-with-body", "--cacert", f"{DIR}/ca.pem", "--aws-sigv4",
                     "aws:amz:local:codedeploy", "--user",
                     f"{found['aws_access_key_id']}:{found['aws_secret_access_key']}", "-H",
                     f"X-Amz-Target: CodeDeploy_20141006.{operation}", "-H",
                     "Content-Type: application/x-amz-json-1.1", "--data", body, *more, url)


def applications(host):
    return json.loads(ask(host).expect(0).out)["applications"]


def processes(host):
    """Name -> pids, as numbered inside."""
    listed = host.exec("ps", "-eo", "pid=,comm=,user=").out
    found = {}
    for pid, name, user in (line.split() for line in listed.splitlines()):
        if name.startswith("drover"):
            assert user == "droverd", listed
            found.setdefault(name, []).append(int(pid))
    return found


@on_host
def the_unit_starts_it_in_its_sandbox_and_it_works_there(host):
    start(host)
    ask(host, "CreateApplication", '{"applicationName": "shop"}').expect(0)
    assert applications(host) == ["shop"]
    found = processes(host)
    assert len(found["droverd"]) == 1 and len(found["droverd-core"]) == 1 and len(found["drover-door"]) >= 2, found
    for pid in found["drover-door"]:
        status = host.exec("cat", f"/proc/{pid}/status").out
        assert re.search(r"^Seccomp:\s+2$", status, re.M) and re.search(r"^NoNewPrivs:\s+1$", status, re.M), status
    # Root of the host needs no key at the unix socket.
    host.exec("curl", "--silent", "--fail-with-body", "--unix-socket", f"{DIR}/droverd.sock", "-H",
              "X-Amz-Target: CodeDeploy_20141006.ListApplications", "-H", "Content-Type: application/x-amz-json-1.1",
              "--data", "{}", "http://localhost/").expect(0, "shop")
    shown = host.unit("droverd", "StatusText", "NRestarts")
    assert shown["NRestarts"] == "0" and shown["StatusText"], shown
    denied = [one["MESSAGE"] for one in host.journal("_AUDIT_TYPE=1326")]
    assert not denied, denied


@on_host
def a_reload_and_a_restart_keep_what_was_made(host):
    start(host)
    ask(host, "CreateApplication", '{"applicationName": "shop"}').expect(0)
    before = processes(host)
    host.exec("systemctl", "reload", "droverd").expect(0)
    assert processes(host) == before
    began = time.monotonic()
    host.exec("systemctl", "stop", "droverd").expect(0)
    assert time.monotonic() - began < 3, time.monotonic() - began
    assert processes(host) == {} and host.unit("droverd", "Result")["Result"] == "success"
    start(host)
    assert applications(host) == ["shop"]


@on_host
def whatever_is_killed_comes_back(host):
    start(host)
    ask(host, "CreateApplication", '{"applicationName": "shop"}').expect(0)
    for name in ("drover-door", "droverd-core", "droverd"):
        before = processes(host)
        host.exec("kill", "-KILL", str(before[name][0])).expect(0)
        assert wait_until(lambda: {key: len(value) for key, value in processes(host).items()}
                          == {key: len(value) for key, value in before.items()}
                          and before[name][0] not in processes(host)[name], 20), processes(host)
        assert wait_until(lambda: ask(host).status == 0, 20)
        assert applications(host) == ["shop"]
    assert host.unit("droverd", "NRestarts")["NRestarts"] == "1"


@on_host
def a_core_that_hangs_is_killed_by_the_watchdog(host):
    os.makedirs(host.path("/etc/systemd/system/droverd.service.d"))
    hosts.put(host.path("/etc/systemd/system/droverd.service.d/quick.conf"), "[Service]\nWatchdogSec=2s\n")
    host.exec("systemctl", "daemon-reload").expect(0)
    start(host)
    before = processes(host)
    time.sleep(5)
    assert processes(host) == before
    host.exec("kill", "-STOP", str(before["droverd-core"][0])).expect(0)
    assert wait_until(lambda: processes(host).get("droverd", before["droverd"]) != before["droverd"], 30)
    assert wait_until(lambda: ask(host).status == 0, 20)
    assert any("Watchdog timeout" in one["MESSAGE"] for one in host.journal("-u", "droverd"))


@on_host
def a_configuration_with_mistakes_fails_the_start_and_names_them(host):
    with open(host.path(f"{DIR}/droverd.yml"), "a", encoding="utf-8") as file:
        file.write("long_pol: 3s\n")
    host.exec("systemctl", "start", "droverd").expect(1)
    said = [one["MESSAGE"] for one in host.journal("-u", "droverd")]
    assert any("did you mean 'long_poll'?" in line for line in said), said


@on_host
def it_is_there_again_after_a_power_cut(host):
    start(host)
    ask(host, "CreateApplication", '{"applicationName": "shop"}').expect(0)
    host.power_cut()
    host.boot()
    assert wait_until(lambda: ask(host).status == 0, 30)
    assert applications(host) == ["shop"]


def main():
    global LAYERS
    hosts.own_namespaces()
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return
    try:
        LAYERS = hosts.Layers()
    except Skip as reason:
        print(f"1..0 # SKIP {reason}")
        return
    try:
        run_all(lambda: None)
    finally:
        LAYERS.close()


if __name__ == "__main__":
    main()
