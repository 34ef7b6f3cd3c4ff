#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Deployments on hosts that boot systemd: scopes, the journal, what outlives what, reboots and power cuts."""

import functools
import os
import random
import re
import time

import host as hosts
from drover import ASAN, FULL, Skip, allow, case, run_all, tree, wait_until, write

WWW, OUT, BUNDLES = "/srv/www", "/srv/out", "/srv/bundles"
GROUP = "shop"
SLOW = 3 if ASAN else 1
LAYERS = None


def on_host(*cgroups):
    """Marks a case that is given a fresh host, once for each kind of control groups."""
    def mark(function):
        for kind in cgroups:
            @functools.wraps(function)
            def with_host(_box, kind=kind):
                with hosts.Host(LAYERS, kind) as host:
                    os.makedirs(host.path(OUT))
                    function(host)
            with_host.__name__ = function.__name__ + (f"_({kind})" if len(cgroups) > 1 else "")
            case(with_host)
        return function
    return mark


# ---- bundles and deployments


def bundle(host, name, hooks=None, files=None, timeout=300):
    """Makes a bundle on the host and returns its path there.

    files: path below www/ -> content. hooks: event -> script, each with that timeout."""
    directory = f"{BUNDLES}/{name}"
    inside = host.path(directory)
    for path, content in (files or {"version": name + "\n"}).items():
        write(f"{inside}/www/{path}", content, 0o644)
    lines = ["version: 0.0", "os: linux", "files:", "  - source: www", f"    destination: {WWW}"]
    lines += ["hooks:"] if hooks else []
    for event, script in (hooks or {}).items():
        write(f"{inside}/scripts/{event}.sh", "#!/bin/sh\n" + script, 0o755)
        lines += [f"  {event}:", f"    - location: scripts/{event}.sh", f"      timeout: {timeout}"]
    write(f"{inside}/appspec.yml", "\n".join(lines) + "\n")
    return directory


def deploy_argv(path, *more):
    return ["drover-agent", "deploy", "--bundle", path, "--group", GROUP, *more]


def deploy(host, path, *more, **how):
    return host.run(*deploy_argv(path, *more), **how)


def version(host):
    return host.read(WWW + "/version").strip()


def deployment_ids(host):
    """The ids of all deployments whose directories are there, oldest first."""
    root = host.path("/var/lib/drover/deployment-root")
    found = [os.path.join(above, name) for above in os.listdir(root) if not above.startswith("deployment-")
             for name in os.listdir(os.path.join(root, above)) for above in [os.path.join(root, above)]]
    return [os.path.basename(path) for path in sorted(found, key=lambda path: os.lstat(path).st_ctime_ns)]


def recovers(host):
    """Asks the agent where the host stands, which also finishes or undoes what was cut off."""
    return host.run("drover-agent", "status").expect(0)


def deploys_again(host, *more, name="next"):
    """A host is well if it takes a deployment, with hooks, and shows it."""
    path = bundle(host, name, hooks={"AfterInstall": f"echo $LIFECYCLE_EVENT >{OUT}/{name}\n"})
    deploy(host, path, *more).expect(0)
    assert version(host) == name
    assert host.read(f"{OUT}/{name}") == "AfterInstall\n"
    nothing_is_left_over(host)


def nothing_is_left_over(host):
    left = [name for name in os.listdir(host.path("/srv")) if name.startswith(".drover")]
    left += [name for name in os.listdir(host.path(WWW)) if name.startswith(".drover")]
    assert not left, f"staging directories: {left}"


# ---- scopes

TELL = f"""cat /proc/self/cgroup >{OUT}/cgroup
cat /proc/self/status >{OUT}/status
cat /proc/1/status >{OUT}/status-1
readlink /proc/self/ns/mnt >{OUT}/mounts
readlink /proc/1/ns/mnt >{OUT}/mounts-1
( ls -l /proc/$$/fd >{OUT}/fds ) & wait
systemctl list-units --plain --no-legend 'drover-hook-*.scope' >{OUT}/scopes
systemctl show drover-hooks.slice --property=ActiveState >{OUT}/slice
"""


def group_of(text):
    """The group that systemd manages, from a /proc/PID/cgroup."""
    return re.search(r"^(?:\d+:name=systemd|0:):(/.*drover.*)$", text, re.MULTILINE)[1]


@on_host("hybrid", "legacy", "unified")
def a_hook_runs_in_a_scope_of_its_own(host):
    hooks = {"AfterInstall": TELL, "ApplicationStart": f"cat /proc/self/cgroup >{OUT}/2"}
    deploy(host, bundle(host, "one", hooks=hooks)).expect(0)
    group = group_of(host.read(OUT + "/cgroup"))
    scope = re.search(r"/drover-hooks\.slice/(drover-hook-[^/]+\.scope)(/|$)", group)
    assert scope, group
    assert host.read(OUT + "/scopes").split()[:1] == [scope[1]]
    assert host.read(OUT + "/slice") == "ActiveState=active\n"
    assert group_of(host.read(OUT + "/2")) != group, "two scripts share a scope"
    if host.cgroups != "legacy":  # there systemd cannot learn within a container that a group is empty
        listing = ["systemctl", "list-units", "--all", "--no-legend", "drover-hook-*"]
        assert wait_until(lambda: host.exec(*listing).out == ""), host.exec(*listing).out


def field(text, name):
    return re.search(rf"^{name}:\s*(\S+)$", text, re.MULTILINE)[1]


@on_host("unified")
def a_hook_has_the_rights_of_any_service(host):
    """What confines the agent's own helpers must not reach what the hook starts. The host is confined itself, by
    seccomp filters: the hook is to have exactly those of the first process."""
    deploy(host, bundle(host, "one", hooks={"AfterInstall": TELL})).expect(0)
    mine, first = host.read(OUT + "/status"), host.read(OUT + "/status-1")
    assert field(mine, "NoNewPrivs") == "0"
    for name in ("Seccomp", "Seccomp_filters", "CapEff", "CapBnd", "CapAmb"):
        assert field(mine, name) == field(first, name), f"{name}: {field(mine, name)}, not {field(first, name)}"
    # But for the two that the C library keeps to itself, and may ignore in what it starts.
    assert int(field(mine, "SigIgn"), 16) & ~(1 << 31 | 1 << 32) == 0, field(mine, "SigIgn")
    assert field(mine, "SigBlk") == "0000000000000000"
    assert host.read(OUT + "/mounts") == host.read(OUT + "/mounts-1")
    fds = dict(re.findall(r"(\d+) -> (.*)", host.read(OUT + "/fds")))
    fds = {number: what for number, what in fds.items() if not what.endswith("/AfterInstall.sh")}  # the shell's own
    assert sorted(fds) == ["0", "1", "2"], fds
    assert fds["0"] == "/dev/null" and fds["1"].startswith("pipe:") and fds["2"].startswith("pipe:")


# ---- the journal


@on_host("unified")
def the_journal_has_what_a_hook_says(host):
    script = "echo good\necho bad >&2\n"
    deploy(host, bundle(host, "one", hooks={"BeforeInstall": "echo before\n", "AfterInstall": script})).expect(0)
    deploy(host, bundle(host, "two", hooks={"AfterInstall": "echo other\n"})).expect(0)
    first, second = deployment_ids(host)
    said = {entry["MESSAGE"]: entry for entry in host.journal(f"DEPLOYMENT_ID={first}", "LIFECYCLE_EVENT=AfterInstall")}
    assert {"good", "bad"} <= said.keys() and "before" not in said and "other" not in said, said
    assert said["good"]["LIFECYCLE_EVENT"] == "AfterInstall"
    assert int(said["bad"]["PRIORITY"]) < int(said["good"]["PRIORITY"])
    assert ".scope" in said["good"].get("_SYSTEMD_UNIT", ""), said["good"]
    said = {entry["MESSAGE"] for entry in host.journal(f"DEPLOYMENT_ID={second}")}
    assert "other" in said and "good" not in said, said


@on_host("unified")
def the_agents_own_messages_name_the_deployment(host):
    path = bundle(host, "one", hooks={"AfterInstall": "exit 3\n"})
    result = host.exec("systemd-run", "--quiet", "--wait", "--unit=by-hand", "--collect", "--", *deploy_argv(path))
    assert result.status == 1, str(result)
    entries = host.journal("_SYSTEMD_UNIT=by-hand.service", f"DEPLOYMENT_ID={deployment_ids(host)[-1]}")
    assert any("AfterInstall" in entry["MESSAGE"] for entry in entries), \
        [entry["MESSAGE"] for entry in host.journal("_SYSTEMD_UNIT=by-hand.service")]
    assert all(entry.get("PRIORITY") for entry in entries)


# ---- what outlives what

# An application: it says that it runs, and goes on by itself.
APPLICATION = f"""sh -c 'echo $$ >{OUT}/application; exec sleep 86399' &
until [ -s {OUT}/application ]; do sleep 0.05; done
"""
RUNNING = "sleep 86399"


@on_host("unified")
def an_application_outlives_the_command_that_started_it(host):
    deploy(host, bundle(host, "one", hooks={"ApplicationStart": APPLICATION})).expect(0)
    pids = host.pids(RUNNING)
    assert pids == [int(host.read(OUT + "/application"))]
    assert "drover-hooks.slice" in host.exec("cat", f"/proc/{pids[0]}/cgroup").out
    # A later deployment, and one that fails, leave it alone as well.
    deploy(host, bundle(host, "two")).expect(0)
    deploy(host, bundle(host, "bad", hooks={"AfterInstall": "exit 1\n"})).expect(1)
    assert host.pids(RUNNING) == pids


@on_host("hybrid", "unified")
def an_application_outlives_the_stop_of_the_unit_that_deployed_it(host):
    path = bundle(host, "one", hooks={"ApplicationStart": APPLICATION})
    host.start("deployer", *deploy_argv(path), properties=["RemainAfterExit=yes", "KillMode=control-group"])
    assert wait_until(lambda: host.unit("deployer", "SubState")["SubState"] in ("exited", "failed"), 30 * SLOW)
    assert host.unit("deployer", "SubState")["SubState"] == "exited"
    pids = host.pids(RUNNING)
    host.exec("systemctl", "stop", "deployer").expect(0)
    assert len(pids) == 1 and host.pids(RUNNING) == pids


HOOK_WITH_APPLICATION = APPLICATION + f"""while [ ! -e {OUT}/release ]; do sleep 0.05; done
echo "$LIFECYCLE_EVENT" >>{OUT}/ended
"""


@on_host("hybrid", "unified")
def a_hook_and_its_application_outlive_an_agent_that_is_killed(host):
    deploy(host, bundle(host, "zero")).expect(0)
    path = bundle(host, "one", hooks={"ApplicationStart": HOOK_WITH_APPLICATION})
    host.start("deployer", *deploy_argv(path))
    host.await_file(OUT + "/application", 30 * SLOW)
    host.exec("kill", "-KILL", host.unit("deployer", "MainPID")["MainPID"]).expect(0)
    assert wait_until(lambda: host.unit("deployer", "ActiveState")["ActiveState"] == "failed", 10)
    # The group is taken while its script runs: nobody deploys over it.
    deploy(host, bundle(host, "two")).expect(3)
    recovers(host)
    assert not host.exists(OUT + "/ended")
    write(host.path(OUT + "/release"))
    host.await_file(OUT + "/ended")
    assert len(host.pids(RUNNING)) == 1
    recovers(host)
    deploys_again(host, "--wait=20")
    assert host.read(OUT + "/ended") == "ApplicationStart\n", "the script ran twice"
    assert len(host.pids(RUNNING)) == 1


@on_host("hybrid", "unified")
def stopping_the_unit_that_deploys_ends_its_hook_in_order(host):
    """Whoever stops a deployment by hand wants it stopped. What earlier ones started runs on."""
    deploy(host, bundle(host, "zero", hooks={"ApplicationStart": APPLICATION})).expect(0)
    pids = host.pids(RUNNING)
    path = bundle(host, "one", hooks={"ApplicationStart": f"""trap 'echo asked >{OUT}/asked; exit 1' TERM
setsid sleep 66666 & sleep 66666 & echo >{OUT}/ready; wait; wait
"""})
    host.start("deployer", *deploy_argv(path))
    host.await_file(OUT + "/ready", 30 * SLOW)
    host.exec("systemctl", "stop", "deployer").expect(0)
    assert wait_until(lambda: not host.pids("sleep 66666"), 2), "of the stopped script something runs"
    assert host.exists(OUT + "/asked"), "the script was not asked to end before it was killed"
    assert host.pids(RUNNING) == pids
    recovers(host)
    deploys_again(host)
    assert host.pids(RUNNING) == pids


# Processes that do what they can to stay: sessions of their own, orphans, deaf to TERM, streams closed or held.
ESCAPE = f"""trap '' TERM
( setsid sh -c 'setsid sh -c "trap \\"\\" TERM HUP; exec sleep 77777" &' & ) </dev/null >/dev/null 2>&1
( setsid sh -c 'setsid sleep 77777 & exit' & )
for i in 1 2 3 4 5 6 7 8; do ( cd /; exec setsid env -i sleep 77777 ) & done
( while :; do setsid sleep 77777 & sleep 0.2; done ) &
until [ "$(pgrep -c -f 'sleep 7777[7]')" -ge 10 ]; do sleep 0.05; done
pgrep -c -f 'sleep 7777[7]' >{OUT}/escaped
"""


def escaped_processes_are_ended(host, ending, timeout):
    path = bundle(host, "one", hooks={"AfterInstall": ESCAPE + ending}, timeout=timeout)
    began = time.monotonic()
    deploy(host, path).expect(1, "scripts/AfterInstall.sh")
    assert time.monotonic() - began < 30 * SLOW
    assert int(host.read(OUT + "/escaped")) >= 10
    assert wait_until(lambda: not host.pids("sleep 7777[7]"), 2), host.exec("ps", "axf", "-o", "pid,sid,args").out
    deploys_again(host)


@on_host("hybrid", "legacy", "unified")
def nothing_survives_a_hook_that_fails(host):
    escaped_processes_are_ended(host, "exit 1\n", 300)


@on_host("hybrid", "legacy", "unified")
def nothing_survives_a_hook_that_takes_too_long(host):
    escaped_processes_are_ended(host, "sleep 77777\n", 3 * SLOW)


# ---- without a bus


def deploys_with_a_warning(host, limit):
    path = bundle(host, "one", hooks={"ApplicationStart": APPLICATION + f"cat /proc/self/cgroup >{OUT}/cgroup\n"})
    began = time.monotonic()
    result = host.exec(*deploy_argv(path))
    took = time.monotonic() - began
    result.expect(0)
    assert re.search(r"scope|systemd|bus", result.text), str(result)
    assert took < limit * SLOW, f"{took:.1f} s"
    assert "drover-hooks.slice" not in host.read(OUT + "/cgroup")
    assert len(host.pids(RUNNING)) == 1
    failing = bundle(host, "two", hooks={"AfterInstall": ESCAPE + "exit 1\n"})
    host.exec(*deploy_argv(failing)).expect(1)
    assert wait_until(lambda: not host.pids("sleep 7777[7]"), 2), host.exec("ps", "axf", "-o", "pid,sid,args").out
    assert len(host.pids(RUNNING)) == 1, "an earlier script's application was ended"


@on_host("unified")
def a_deployment_works_without_a_bus(host):
    host.exec("systemctl", "mask", "--now", "dbus.socket", "dbus.service").expect(0)
    host.exec("rm", "-f", "/run/dbus/system_bus_socket").expect(0)
    deploys_with_a_warning(host, 5)


@on_host("unified")
def a_deployment_works_with_a_bus_that_hangs(host):
    pid = int(host.unit("dbus.service", "MainPID")["MainPID"])
    host.exec("kill", "-STOP", pid).expect(0)
    try:
        deploys_with_a_warning(host, 10)
    finally:
        host.exec("kill", "-CONT", pid)


# ---- reboots and power cuts

ENDLESS = f"""echo "$LIFECYCLE_EVENT" >>{OUT}/began
sleep 66666
echo "$LIFECYCLE_EVENT" >>{OUT}/ended
"""


def reboot(host):
    host.reboot()


def power_cut(host):
    host.power_cut()
    host.boot()


def cut_off_in_hook_by(host, cut):
    deploy(host, bundle(host, "zero")).expect(0)
    path = bundle(host, "one", hooks={"AfterInstall": ENDLESS})
    host.start("deployer", *deploy_argv(path))
    host.await_file(OUT + "/began", 30 * SLOW)
    cut(host)
    recovers(host)
    assert version(host) == "one", "its Install had succeeded"
    assert not host.pids("sleep 66666"), "the script was run again"
    assert host.read(OUT + "/began") == "AfterInstall\n"
    deploys_again(host)
    rolled = host.run("drover-agent", "rollback", "--group", GROUP)
    rolled.expect(0)
    assert version(host) == "zero", "the newest good revision but the installed one"


@on_host("hybrid", "unified")
def a_reboot_in_a_hook_fails_the_deployment_and_nothing_else(host):
    cut_off_in_hook_by(host, reboot)


@on_host("unified")
def a_power_cut_in_a_hook_fails_the_deployment_and_nothing_else(host):
    cut_off_in_hook_by(host, power_cut)


N_FILES = 150


def site(name):
    files = {f"d{number % 7}/f{number}": f"{name} {number}\n" * 50 for number in range(N_FILES)}
    files["version"] = name + "\n"
    return files


def shown(host):
    """What stands below the destination: path -> content."""
    return {path: what[-1] for path, what in tree(host.path(WWW)).items() if what[0] == "file"}


def whole(name):
    return {path: content.encode() for path, content in site(name).items()}


def stage_of(host):
    """The staging directory of an install under way, or None."""
    for above in ("/srv", WWW):
        for name in os.listdir(host.path(above)) if host.exists(above) else []:
            if name.startswith(".drover"):
                return above + "/" + name
    return None


def cut_off_in_install_by(host, cut, slow_ms, seed):
    """Each change of a directory entry is slowed, so that there is time to cut in the midst of them."""
    rng = random.Random(seed)
    deploy(host, bundle(host, "old", files=site("old"))).expect(0)
    path = bundle(host, "new", files=site("new"))
    slow = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=rename,renameat,renameat2,linkat,openat", "-e",
            f"inject=rename,renameat,renameat2,linkat:delay_enter={slow_ms * 1000}", "--"]
    # A reboot first stops units: half of them get the time to end in order, the others none.
    number = rng.choice(["SIGTERM", "SIGKILL"])
    host.start("deployer", *slow, *deploy_argv(path), properties=[f"KillSignal={number}"])
    assert wait_until(lambda: stage_of(host) or host.unit("deployer", "SubState")["SubState"] == "dead", 30 * SLOW,
                      0.002)
    assert stage_of(host), "no staging directory was seen\n" + host.exec("journalctl", "-u", "deployer").out
    delay = rng.uniform(0, slow_ms * N_FILES / 1000)
    time.sleep(delay)
    cut(host)
    between = shown(host)
    kinds = {"old": sum(between.get(path) == content for path, content in whole("old").items()),
             "new": sum(between.get(path) == content for path, content in whole("new").items())}
    print(f"# seed {seed}: cut after {delay:.3f} s ({number}), with {kinds['old']} old and "
          f"{kinds['new']} new files", flush=True)
    assert kinds["old"] + kinds["new"] >= len(between) == N_FILES + 1, "a file was partly there"
    recovers(host)
    after = shown(host)
    assert after in (whole("old"), whole("new")), "after recovery the tree is neither old nor new"
    nothing_is_left_over(host)
    deploys_again(host)
    assert shown(host) == {"version": b"next\n"}, "files of an earlier revision are left"


def seeds():
    """A few, other ones at each run, or many with the long form; DROVER_SEED repeats one."""
    if os.environ.get("DROVER_SEED"):
        return [int(os.environ["DROVER_SEED"])]
    return [random.randrange(10 ** 6) for _ in range(20 if FULL else 4)]


def several_times(host_case):
    for seed in seeds():
        allow(60)
        with hosts.Host(LAYERS, "unified") as host:
            os.makedirs(host.path(OUT))
            host_case(host, seed)


@case
def a_reboot_in_an_install_leaves_the_old_tree_or_the_new(_box):
    several_times(lambda host, seed: cut_off_in_install_by(host, reboot, 20, seed))


@case
def a_power_cut_in_an_install_leaves_the_old_tree_or_the_new(_box):
    several_times(lambda host, seed: cut_off_in_install_by(host, power_cut, 5, seed))


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
        run_all()
    finally:
        LAYERS.close()


if __name__ == "__main__":
    main()
