#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One script at a time, run by the library and the runner as the agent does it."""

import contextlib
import glob
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import time

from drover import ASAN, Skip, case, find_program, is_alive, read, run_all, wait_until, write

STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "


def find_programs():
    found = [find_program("hook_driver"), find_program("drover-hook")]
    if None in found:
        raise Skip("hook_driver or drover-hook is not built")
    return found


class Hook:
    """One script in a bundle of its own, and where its run is recorded."""

    def __init__(self, box, text=None, location="scripts/hook.sh", mode=0o755, name="bundle"):
        self.driver, runner = find_programs()
        self.libexec = os.path.dirname(runner)
        self.box = box
        self.location = location
        self.bundle = box.join(name)
        self.record = box.join("record")
        self.log_path = box.join("logs", "scripts.log")
        os.makedirs(self.bundle, exist_ok=True)
        if text is not None:
            write(os.path.join(self.bundle, location), text, mode)

    def arguments(self, **more):
        given = {"bundle_dir": self.bundle, "location": self.location, "record_dir": self.record,
                 "scripts_log": self.log_path, "deployments_log": self.box.join("deployments.log"), **more}
        env = given.pop("env", {})
        return ([self.driver] + [f"{name}={value}" for name, value in given.items()] +
                [f"env={name}={value}" for name, value in env.items()])

    def environment(self):
        return {"PATH": os.environ["PATH"], "DROVER_LIBEXEC_DIR": self.libexec, "SECRET": "of the agent"}

    def start(self, **more):
        return subprocess.Popen(self.arguments(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=self.environment())

    def run(self, timeout=60, under=(), **more):
        """The result, as a dictionary. under: a command that runs the driver."""
        done = subprocess.run([*under, *self.arguments(**more)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=self.environment(), timeout=timeout, check=False)
        assert done.returncode == 0, f"status {done.returncode}: {done.stderr}"
        return json.loads(done.stdout)

    def expect(self, code, *parts, **more):
        result = self.run(**more)
        assert result["code"] == code, result
        for part in parts:
            assert part in result["message"], result
        return result

    def lines(self):
        """scripts.log without its times."""
        lines = read(self.log_path).splitlines()
        assert all(re.match(STAMP, line) for line in lines), lines
        return [re.sub(STAMP, "", line) for line in lines]


@case
def both_streams_are_logged_and_the_last_line_is_ended(box):
    hook = Hook(box, "#!/bin/sh\necho one\necho two >&2\nsleep 0.1\nprintf end\n")
    result = hook.expect(0, "script scripts/hook.sh succeeded")
    lines = hook.lines()
    assert lines[:2] == ["LifecycleEvent - AfterInstall", "Script - scripts/hook.sh"], lines
    assert sorted(lines[2:]) == ["[stderr]two", "[stdout]end", "[stdout]one"], lines
    assert lines[-1] == "[stdout]end"
    assert result["log"] == "\n".join(lines) + "\n", result
    assert result["note"] is None and result["exit_status"] == 0



@case
def output_that_is_no_text_is_kept_in_the_log_and_replaced_elsewhere(box):
    hook = Hook(box, "#!/bin/sh\nprintf 'caf\\351\\n\\000nul\\n\\033[1mbold\\n'; exit 1\n")
    result = hook.expect(4, "exit status 1")
    with open(hook.log_path, "rb") as file:
        raw = file.read()
    assert b"[stdout]caf\xe9\n" in raw and b"[stdout]\x00nul\n" in raw and b"[stdout]\x1b[1mbold\n" in raw, raw
    assert "[stdout]caf\ufffd\n[stdout]\ufffdnul\n[stdout]\x1b[1mbold\n" in result["log"], result


@case
def twenty_thousand_lines_are_logged_in_order_and_the_tail_is_2048_bytes(box):
    hook = Hook(box, "#!/bin/sh\nseq -f 'line %05g' 1 20000\nexit 3\n")
    result = hook.expect(4, "exit status 3")
    assert hook.lines()[2:] == [f"[stdout]line {n:05}" for n in range(1, 20001)]
    assert len(result["log"].encode()) == 2048 and result["log"].endswith("[stdout]line 20000\n"), result["log"]


@case
def a_line_longer_than_all_tails_still_leaves_its_end(box):
    hook = Hook(box, "#!/bin/sh\nhead -c 300000 /dev/zero | tr '\\0' x; echo END; exit 1\n")
    result = hook.expect(4)
    lines = hook.lines()[2:]
    # Cut into records of 64 KiB, each with its mark.
    assert "".join(line[len("[stdout]"):] for line in lines) == "x" * 300000 + "END"
    assert len(lines) == 5 and result["log"].endswith("xxxEND\n"), (len(lines), result["log"])


@case
def long_lines_and_tails_are_cut_between_characters(box):
    hook = Hook(box, "#!/bin/sh\nprintf a; yes € | head -n 60000 | tr -d '\\n'\nexit 1\n")
    result = hook.expect(4)
    lines = [line[len("[stdout]"):] for line in hook.lines()[2:]]
    assert "".join(lines) == "a" + "€" * 60000
    assert "\ufffd" not in result["log"] and 2044 < len(result["log"].encode()) <= 2048, result["log"]


@case
def a_gigabyte_without_a_newline_needs_no_memory(box):
    size = 1 << (27 if ASAN else 30)
    hook = Hook(box, f"#!/bin/sh\nhead -c {size} /dev/zero\nsleep 0.5\ncat /proc/$PPID/status >&2\n")
    began = time.monotonic()
    result = hook.run(timeout=300)
    took = time.monotonic() - began
    assert result["code"] == 0, result
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", result["log"] + read_tail(hook.log_path)).group(1))
    assert ASAN or peak < 8192, f"the runner's peak is {peak} kB"
    assert ASAN or took < 60, f"{took:.1f} s"
    kept = sum(os.stat(path).st_size for path in glob.glob(hook.log_path + "*"))
    assert kept <= 8 * (64 << 20) + (1 << 20), f"{kept} bytes of logs"
    print(f"# {size >> 20} MiB in {took:.1f} s, peak {peak} kB, {kept >> 20} MiB of logs kept")


def read_tail(path):
    with open(path, "rb") as file:
        file.seek(max(0, os.stat(path).st_size - 8192))
        return file.read().decode(errors="replace")


@case
def logs_are_rotated_and_the_one_over_all_deployments_has_a_heading(box):
    hook = Hook(box, "#!/bin/sh\nyes $(head -c 1000 /dev/zero | tr '\\0' y) | head -n 70000\necho last\n")
    hook.expect(0)
    for path, heading in ((hook.log_path, False), (box.join("deployments.log"), True)):
        assert os.stat(path + ".0").st_size >= 64 << 20 and not os.path.exists(path + ".1")
        with open(path, encoding="ascii") as file:
            first = file.readline()
        assert first.startswith("# Logfile created on ") == heading, first
        assert read_tail(path).splitlines()[-1].endswith("[stdout]last")


@case
def half_a_line_left_by_a_power_cut_is_ended_first(box):
    hook = Hook(box, "#!/bin/sh\necho next\n")
    write(hook.log_path, "2026-01-01 00:00:00 [stdout]torn")
    hook.expect(0)
    assert hook.lines()[0:2] == ["[stdout]torn", "LifecycleEvent - AfterInstall"]


@case
def a_full_disk_under_the_log_is_told_and_does_not_fail_the_script(box):
    hook = Hook(box, "#!/bin/sh\nyes $(head -c 100 /dev/zero | tr '\\0' y) | head -n 50000\nsleep 0.5\necho done >&2\n")
    with mounted(box.join("logs"), "size=1m"):
        result = hook.expect(0)
        assert "bytes of output are missing in" in result["note"], result
        assert "No space left on device" in result["note"], result
        assert "[stderr]done" in result["log"]


@case
def a_log_that_cannot_be_written_is_told_and_does_not_fail_the_script(box):
    hook = Hook(box, "#!/bin/sh\necho said\n")
    os.makedirs(hook.log_path)
    result = hook.expect(0)
    assert "cannot open the log" in result["note"] and "[stdout]said" in result["log"], result


@contextlib.contextmanager
def mounted(path, options):
    os.makedirs(path, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "drover-test", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=True)


# ---- how it ends


@case
def exit_statuses_and_signals_are_named(box):
    result = Hook(box, "#!/bin/sh\nexit 3\n", name="one").expect(4, "script scripts/hook.sh failed with exit status 3")
    assert (result["exit_status"], result["signal"]) == (3, 0)
    hook = Hook(box, "#!/bin/sh\nkill -SEGV $$\n", name="two")
    hook.record = box.join("record2")
    result = hook.expect(4, "was killed by signal 11 (Segmentation fault)")
    assert (result["exit_status"], result["signal"]) == (-1, 11)


@case
def a_missing_script_is_code_1(box):
    Hook(box).expect(1, "script scripts/hook.sh is not in the bundle")
    hook = Hook(box, "#!/bin/sh\n", location="a.sh")
    hook.location, hook.record = "a.sh --with arguments", box.join("record2")
    hook.expect(1, "is not in the bundle")


@case
def a_script_that_is_not_executable_is_made_so(box):
    hook = Hook(box, "#!/bin/sh\n", mode=0o644)
    hook.expect(0)
    assert os.stat(os.path.join(hook.bundle, hook.location)).st_mode & 0o7777 == 0o755


@case
def a_script_that_cannot_be_made_executable_is_code_2(box):
    with mounted(box.join("bundle"), "size=1m"):
        hook = Hook(box, "#!/bin/sh\n", mode=0o644)
        subprocess.run(["mount", "-o", "remount,ro", hook.bundle], check=True)
        hook.expect(2, "is not executable and cannot be made so: Read-only file system")


@case
def a_directory_or_a_fifo_is_no_script(box):
    hook = Hook(box)
    os.makedirs(os.path.join(hook.bundle, hook.location))
    hook.expect(4, "is a directory, not a script")
    hook.location, hook.record = "fifo", box.join("record2")
    os.mkfifo(os.path.join(hook.bundle, "fifo"))
    hook.expect(4, "is a special file, not a script")


@case
def first_lines_that_cannot_work_are_explained(box):
    rows = [
        ("#!/bin/sh\r\necho x\r\n", "its first line ends in CR LF"),
        ("#!/opt/none/bin/python\n", "its interpreter /opt/none/bin/python does not exist"),
        ("#!/usr/bin/env sh\r\necho x\r\n", "its first line ends in CR LF"),
        ("\ufeff#!/bin/sh\nfalse\n", "it starts with a byte order mark"),
        ("#!/etc/passwd\n", "may not execute its interpreter /etc/passwd"),
        ("\x7fELF" + "x" * 100, "it is a program for another kind of machine"),
    ]
    for number, (text, message) in enumerate(rows):
        hook = Hook(box, text, location=f"s{number}")
        hook.record = box.join(f"record{number}")
        hook.expect(4, message)


@case
def a_script_without_a_first_line_is_run_by_sh(box):
    hook = Hook(box, 'echo "$0"\nps -o args= -p $$ 2>/dev/null\ntrue\n')
    hook.expect(0)
    assert hook.lines()[2] == f"[stdout]{hook.bundle}/scripts/hook.sh"


@case
def odd_names_are_run_without_a_shell(box):
    for number, name in enumerate(["with blank.sh", "$(touch x);'\"`.sh", "-n", "é\u4e2d.sh"]):
        hook = Hook(box, '#!/bin/sh\nprintf "%s %s\\n" "$#" "$0"\n', location=name)
        hook.record = box.join(f"record{number}")
        hook.expect(0)
        assert hook.lines()[-1] == f"[stdout]0 {hook.bundle}/{name}", hook.lines()


@case
def a_location_cannot_lead_outside_the_bundle(box):
    write(box.join("outside.sh"), "#!/bin/sh\necho outside\n", 0o755)
    hook = Hook(box, "#!/bin/sh\necho inside\n")
    os.symlink("../../outside.sh", os.path.join(hook.bundle, "scripts/relative"))
    os.symlink(box.join("outside.sh"), os.path.join(hook.bundle, "scripts/absolute"))
    os.symlink("../..", os.path.join(hook.bundle, "scripts/up"))
    os.symlink("hook.sh", os.path.join(hook.bundle, "scripts/inside"))
    os.symlink("loop", os.path.join(hook.bundle, "scripts/loop"))
    for number, (location, code, text) in enumerate([
            ("../outside.sh", 4, "leads outside the bundle"), ("scripts/relative", 4, "leads outside the bundle"),
            ("scripts/absolute", 4, "leads outside the bundle"), ("scripts/up/outside.sh", 4, "outside the bundle"),
            ("scripts/loop", 4, "a link that never ends"), ("scripts/inside", 0, ""),
            ("scripts/../scripts/hook.sh", 0, ""), ("/scripts/hook.sh", 0, "")]):
        hook.location, hook.record = location, box.join(f"record{number}")
        hook.expect(code, text)
    assert "[stdout]outside" not in hook.lines()


# ---- what a script finds


@case
def the_environment_is_exactly_the_documented_one(box):
    hook = Hook(box, "#!/usr/bin/env -S python3 -I\nimport os\nfor n in sorted(os.environb): "
                "print(repr((n, os.environb[n])))\n")
    hook.expect(0, env={"HOME": "/wrong", "ODD": "caf\udce9 = x"}, deployment_id="d-1", event="ValidateService")
    found = dict(eval(line[len("[stdout]"):]) for line in hook.lines()[2:])  # pylint: disable=eval-used
    root = pwd.getpwuid(0)
    assert found == {
        b"PATH": b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", b"LANG": b"C.UTF-8",
        b"LIFECYCLE_EVENT": b"ValidateService", b"DEPLOYMENT_ID": b"d-1", b"APPLICATION_NAME": b"app",
        b"DEPLOYMENT_GROUP_NAME": b"fleet", b"DEPLOYMENT_GROUP_ID": b"group",
        b"DROVER_BUNDLE_DIR": hook.bundle.encode(), b"ODD": b"caf\xe9 = x",
        b"HOME": root.pw_dir.encode(), b"USER": b"root", b"LOGNAME": b"root", b"SHELL": root.pw_shell.encode(),
    }, found


PROBE = """#!/usr/bin/env -S python3 -I
import json, os, signal
def status(name):
    return [line.split(":")[1].strip() for line in open("/proc/self/status") if line.startswith(name + ":")][0]
fds = [int(n) for n in os.listdir("/proc/self/fd")]
old = os.umask(0)
print(json.dumps({
    "fds": [n for n in fds if os.path.exists(f"/proc/self/fd/{n}")], "stdin": os.readlink("/proc/self/fd/0"),
    "umask": old, "leads": os.getsid(0) == os.getpid() == os.getpgid(0), "cwd": os.getcwd(),
    "blocked": status("SigBlk"), "ignored": int(status("SigIgn"), 16), "no_new_privs": status("NoNewPrivs"),
    "seccomp": status("Seccomp"), "ids": [os.getresuid(), os.getresgid(), sorted(os.getgroups())],
    "env": {n: os.environ[n] for n in ("HOME", "USER", "LOGNAME", "SHELL")}}))
"""


def probe(box, number=0, **more):
    hook = Hook(box, PROBE)
    os.chmod(hook.bundle, 0o755)
    hook.record = box.join(f"record{number}")
    hook.expect(0, **more)
    return json.loads(hook.lines()[-1][len("[stdout]"):])


@case
def a_script_starts_with_nothing_of_the_agents(box):
    found = probe(box, under=["sh", "-c", 'umask 027; exec "$@"', "sh"])
    assert found["fds"] == [0, 1, 2] and found["stdin"] == "/dev/null", found
    assert found["umask"] == 0o027 and found["leads"] and found["cwd"] == box.join("bundle"), found
    # Python itself ignores SIGPIPE (13) and SIGXFSZ (25).
    assert found["blocked"] == "0" * 16 and found["ignored"] & ~(1 << 12 | 1 << 24) == 0, found
    assert found["no_new_privs"] == "0" and found["seccomp"] == "0", found
    assert probe(box, 1, working_dir="/")["cwd"] == "/"


@case
def runas_is_a_user_with_his_groups_and_home_whatever_his_shell(box):
    nobody = pwd.getpwnam("nobody")
    expected = {"HOME": nobody.pw_dir, "USER": "nobody", "LOGNAME": "nobody", "SHELL": nobody.pw_shell}
    for number, user in enumerate(["nobody", str(nobody.pw_uid)]):
        found = probe(box, number, runas=user)
        assert found["ids"] == [[nobody.pw_uid] * 3, [nobody.pw_gid] * 3, [nobody.pw_gid]], found
        assert found["env"] == expected, found
    found = probe(box, 2, runas="54321")
    assert found["ids"] == [[54321] * 3, [54321] * 3, [54321]], found
    assert found["env"] == {"HOME": "/", "USER": "54321", "LOGNAME": "54321", "SHELL": "/bin/sh"}, found
    for number, more in enumerate([{"runas": "root"}, {"sudo": "1"}, {"runas": "nobody", "sudo": "1"}], 3):
        found = probe(box, number, **more)
        assert found["ids"][0][0] == (nobody.pw_uid if more.get("runas") == "nobody" else 0), found


@case
def an_agent_that_is_not_root_runs_scripts_as_itself(box):
    hook = Hook(box, "#!/bin/sh\nid -u\necho $USER\n")
    os.makedirs(box.join("state"))
    nobody = pwd.getpwnam("nobody")
    os.chown(box.join("state"), nobody.pw_uid, nobody.pw_gid)
    under = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    if subprocess.run([*under, "test", "-x", hook.driver], check=False).returncode != 0:
        raise Skip("the build directory is not open to other users")
    given = {"under": under, "scripts_log": box.join("state", "log"), "deployments_log": box.join("state", "log2")}
    os.chmod(hook.bundle, 0o755)
    for number, (more, code, text) in enumerate([
            ({}, 0, ""), ({"runas": "nobody"}, 0, ""), ({"runas": "root"}, 4, "cannot run a script as user root"),
            ({"sudo": "1"}, 4, "cannot run a script as user root")]):
        hook.record = box.join("state", f"record{number}")
        hook.expect(code, text, **given, **more)
    said = [line.split("]", 1)[1] for line in read(given["scripts_log"]).splitlines() if "[std" in line]
    assert said == [str(nobody.pw_uid), "nobody"] * 2, said


@case
def an_unknown_user_is_an_error_that_names_him(box):
    hook = Hook(box, "#!/bin/sh\necho ran\n")
    hook.expect(4, 'there is no user "nosuchuser" on this host', runas="nosuchuser")
    assert "[stdout]ran" not in hook.lines()


@case
def a_script_that_its_user_may_not_read_is_explained(box):
    hook = Hook(box, "#!/bin/sh\n", mode=0o700)
    os.chmod(hook.bundle, 0o755)
    hook.expect(4, "user nobody may not", runas="nobody")


# ---- what is left


@case
def a_script_that_runs_too_long_is_ended_and_then_killed(box):
    hook = Hook(box, "#!/bin/sh\ntrap 'echo got TERM' TERM\nwhile :; do sleep 1; done\n")
    began = time.monotonic()
    result = hook.expect(3, "ran longer than its timeout of 1 s", timeout_s=1)
    assert 5.5 < time.monotonic() - began < 9, time.monotonic() - began
    assert "[stdout]got TERM" in result["log"] and result["signal"] == 9, result


@case
def a_script_that_heeds_the_end_is_not_waited_for(box):
    hook = Hook(box, "#!/bin/sh\ntrap 'echo cleaned; exit 1' TERM\nsleep 60 & wait\n")
    began = time.monotonic()
    result = hook.expect(3, timeout_s=1)
    assert time.monotonic() - began < 4 and "[stdout]cleaned" in result["log"], result


SURVIVORS = """#!/bin/sh
setsid sh -c 'trap "" TERM; echo $$ >>{pids}; while :; do sleep 1; done' &
(setsid sh -c '(trap "" TERM HUP; sh -c "echo \\$PPID >>{pids}"; exec sleep 1000) >/dev/null 2>&1 </dev/null &' &)
(sh -c 'echo $$ >>{pids}; kill -STOP $$; sleep 1000' &)
while [ $(wc -l <{pids}) -lt 3 ]; do sleep 0.05; done
"""


def survivors_of(box, end):
    write(box.join("pids"), "")
    return Hook(box, SURVIVORS.format(pids=box.join("pids")) + end)


def pids_of(box):
    pids = [int(line) for line in read(box.join("pids")).split()]
    assert len(pids) == 3, pids
    return pids


@case
def nothing_survives_a_failed_script(box):
    hook = survivors_of(box, "exit 1\n")
    hook.expect(4, "exit status 1")
    assert not [pid for pid in pids_of(box) if is_alive(pid)]


@case
def nothing_survives_a_script_that_runs_too_long(box):
    hook = survivors_of(box, "sleep 1000\n")
    hook.expect(3, timeout_s=1)
    assert not [pid for pid in pids_of(box) if is_alive(pid)]


CHURN = """#!/usr/bin/env -S python3 -I
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
# Chains of processes that each fork a successor in a session of its own, and go.
for chain in range(20):
    if os.fork() == 0:
        while os.fork() == 0:
            os.setsid()
        os._exit(0)
while True:
    if os.fork() == 0:
        time.sleep(1000)
    time.sleep(0.01)
"""


@case
def nothing_survives_that_forks_as_fast_as_it_can(box):
    hook = Hook(box, CHURN)
    result = hook.expect(3, timeout_s=1)
    left = box.processes()
    assert not left and result["note"] is None, (left, result)


def end_survivor(box, pid):
    """What reads its output then ends by itself."""
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not box.processes()), box.processes()


@case
def what_a_good_script_leaves_running_lives_on_without_a_broken_pipe(box):
    hook = Hook(box, f"#!/bin/sh\n(echo $$ >/dev/null; sh -c 'echo $$ >{box.join('pid')}; sleep 4; echo late; "
                f"echo late >&2; echo $? >{box.join('told')}; exec sleep 1000' &)\necho started\n")
    began = time.monotonic()
    result = hook.expect(0)
    took = time.monotonic() - began
    pid = int(read(box.join("pid")))
    assert 1.8 < took < 3.5, took
    assert f"({pid})" in result["note"] and "left " in result["note"] and "output" in result["note"], result
    assert wait_until(lambda: os.path.exists(box.join("told")) and read(box.join("told")) == "0\n"), "no late word"
    assert is_alive(pid) and "[stdout]started" in result["log"]
    end_survivor(box, pid)


@case
def a_detached_process_is_not_waited_for(box):
    hook = Hook(box, f"#!/bin/sh\nsetsid sleep 1000 >/dev/null 2>&1 & echo $! >{box.join('pid')}\n")
    began = time.monotonic()
    result = hook.expect(0)
    pid = int(read(box.join("pid")))
    assert time.monotonic() - began < 1.5 and result["note"] is None and is_alive(pid), result
    os.kill(pid, signal.SIGKILL)


@case
def streams_closed_early_do_not_end_the_script(box):
    hook = Hook(box, f"#!/bin/sh\nexec >&- 2>&-\nsleep 1\ntouch {box.join('end')}\nexit 5\n")
    hook.expect(4, "exit status 5")
    assert os.path.exists(box.join("end"))


@case
def a_cancelled_script_is_ended(box):
    hook = Hook(box, "#!/bin/sh\nsleep 1000\n")
    began = time.monotonic()
    hook.expect(4, "was ended because the deployment was cancelled", cancel_after_ms=300)
    assert time.monotonic() - began < 3


# ---- restarts


def runs_of(box):
    return read(box.join("runs")).count("run") if os.path.exists(box.join("runs")) else 0


def counting(box, rest=""):
    return Hook(box, f"#!/bin/sh\necho run >>{box.join('runs')}\n{rest}")


def started(hook):
    return json.loads(read(os.path.join(hook.record, "started")))


def wait_for(hook, name):
    assert wait_until(lambda: os.path.exists(os.path.join(hook.record, name))), f"no {name}"


@case
def a_script_outlives_the_agent_and_its_result_is_used_once(box):
    hook = counting(box, "sleep 1\necho end\n")
    subprocess.run(hook.arguments(abandon_after_ms=200), env=hook.environment(), check=True, timeout=10)
    assert hook.expect(0)["log"].endswith("[stdout]end\n")  # waited for
    assert hook.expect(0)["log"].endswith("[stdout]end\n")  # read
    assert runs_of(box) == 1


@case
def a_killed_agents_script_runs_exactly_once_whenever_it_was_killed(box):
    for number in range(30):
        hook = counting(box, "exit 7\n")
        hook.record = box.join(f"record{number}")
        with hook.start() as agent:
            time.sleep(number * 0.0007)
            agent.kill()
        hook.expect(4, "exit status 7")
        assert runs_of(box) == number + 1, number


@case
def a_killed_runner_is_code_7_and_its_script_dies(box):
    hook = counting(box, f"sleep 1000 & echo $$ $! >{box.join('pids')}\nwait\n")
    with hook.start() as agent:
        assert wait_until(lambda: os.path.exists(box.join("pids")) and read(box.join("pids")).strip())
        os.kill(started(hook)["pid"], signal.SIGKILL)
        result = json.loads(agent.communicate(timeout=10)[0])
    assert result["code"] == 7 and "is gone without a result" in result["message"], result
    pids = [int(pid) for pid in read(box.join("pids")).split()]
    assert wait_until(lambda: not any(is_alive(pid) for pid in pids), 2), pids
    hook.expect(7)
    assert runs_of(box) == 1


@case
def a_runner_killed_after_its_agent_is_code_7_and_its_script_dies(box):
    hook = counting(box, f"sleep 1000 & echo $$ $! >{box.join('pids')}\nwait\n")
    subprocess.run(hook.arguments(abandon_after_ms=300), env=hook.environment(), check=True, timeout=10)
    assert wait_until(lambda: os.path.exists(box.join("pids")) and read(box.join("pids")).strip())
    pids = [int(pid) for pid in read(box.join("pids")).split()]
    os.kill(started(hook)["pid"], signal.SIGKILL)
    assert wait_until(lambda: not is_alive(started(hook)["pid"]))
    hook.expect(7, "killed", "what was left of it has been killed")
    assert wait_until(lambda: not any(is_alive(pid) for pid in pids), 2), pids
    assert runs_of(box) == 1


@case
def a_script_begun_before_a_reboot_is_code_7_and_nobody_is_killed(box):
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    hook = counting(box)
    os.makedirs(hook.record)
    write(os.path.join(hook.record, "started"), json.dumps({
        "boot_id": "0" * 36, "pid": bystander.pid, "start_time": 1, "script_pid": bystander.pid,
        "script_start_time": 1, "cgroup": None}))
    hook.expect(7, "the host was restarted")
    assert is_alive(bystander.pid) and runs_of(box) == 0
    bystander.kill()
    bystander.wait()


@case
def records_that_make_no_sense_are_told_and_nothing_is_run(box):
    good = json.dumps({"code": 0, "exit_status": 0, "signal": 0, "message": "m", "log": "", "note": None,
                       "duration_ms": 1})
    rows = [("result.json", text, 5) for text in
            ("", "{", "[]", "{}", good[:-2], good.replace('"code": 0', '"code": 9'), good.replace('"m"', '""'),
             "x" * 300000)]
    rows += [("started", text, 7) for text in
             ("", "{", '{"boot_id": "x"}', '{"boot_id": "' + "0" * 36 + '", "pid": 1}', "x" * 100000)]
    for number, (name, text, code) in enumerate(rows):
        hook = counting(box)
        hook.record = box.join(f"record{number}")
        write(os.path.join(hook.record, name), text)
        hook.expect(code, "cannot be used")
    hook.record = box.join("links")
    os.makedirs(hook.record)
    os.symlink("/etc/passwd", os.path.join(hook.record, "result.json"))
    hook.expect(5, "cannot be used")
    assert runs_of(box) == 0


@case
def the_groups_lock_is_held_until_the_result_and_not_by_what_is_left(box):
    hook = Hook(box, f"#!/bin/sh\nsleep 1\nsleep 1000 & echo $! >{box.join('pid')}\n")
    arguments = hook.arguments(lock=box.join("lock"))
    subprocess.run(arguments + ["abandon_after_ms=200"], env=hook.environment(), check=True, timeout=10)
    second = subprocess.run(arguments, env=hook.environment(), capture_output=True, text=True, timeout=10, check=False)
    assert second.returncode == 3 and "busy" in second.stderr, second
    wait_for(hook, "result.json")
    assert wait_until(lambda: subprocess.run(arguments, env=hook.environment(), capture_output=True, timeout=10,
                                             check=False).returncode == 0, 1)
    pid = int(read(box.join("pid")))
    assert is_alive(pid)
    end_survivor(box, pid)


@case
def a_disk_too_full_for_the_result_is_named(box):
    hook = counting(box, f"head -c 1000000 /dev/zero >{box.join('record', 'fill')} 2>/dev/null\nexit 0\n")
    with mounted(hook.record, "size=64k"):
        hook.expect(7, "gone without a result (No space left on device)")
        os.unlink(os.path.join(hook.record, "fill"))
        hook.expect(7, "gone without a result")
    assert runs_of(box) == 1


@case
def a_disk_that_is_full_for_a_moment_costs_nothing(box):
    fill = box.join("record", "fill")
    hook = counting(box, f"head -c 1000000 /dev/zero >{fill} 2>/dev/null\n(sleep 0.5; rm {fill}) >/dev/null 2>&1 &\n")
    with mounted(hook.record, "size=64k"):
        hook.expect(0)


@case
def a_start_that_cannot_be_recorded_runs_nothing(box):
    hook = counting(box)
    os.makedirs(os.path.join(hook.record, ".started.tmp", "x"))
    hook.expect(5, "cannot write started")
    assert runs_of(box) == 0


@case
def a_request_that_no_runner_would_take_is_refused_at_once(box):
    hook = counting(box)
    for number, more in enumerate([{"timeout_s": "0"}, {"bundle_dir": "relative"}, {"location": ""}]):
        hook.record = box.join(f"record{number}")
        done = subprocess.run(hook.arguments(**more), env=hook.environment(), capture_output=True, text=True,
                              timeout=10, check=False)
        assert done.returncode == 2 and "cannot ask for the script: member" in done.stderr, done
        assert os.listdir(hook.record) == []


@case
def a_runner_that_is_missing_is_an_error_that_names_it(box):
    hook = Hook(box, "#!/bin/sh\n")
    hook.libexec = box.path
    done = subprocess.run(hook.arguments(), env=hook.environment(), capture_output=True, text=True, timeout=10,
                          check=False)
    assert done.returncode == 2 and f"cannot start {box.path}/drover-hook" in done.stderr, done


# ---- systemd, or what looks like it


def with_run(box, *commands):
    """Runs a command in a mount namespace whose /run is made by shell commands; $BOX is the box."""
    made = " && ".join(["mount -t tmpfs drover-test /run", *commands, 'exec "$@"'])
    return ["unshare", "--mount", "sh", "-c", f"BOX={box.path}; {made}", "sh"]


def listener(path, kind):
    made = socket.socket(socket.AF_UNIX, kind)
    made.bind(path)
    return made


@case
def the_journal_gets_each_line_with_its_fields(box):
    hook = Hook(box, "#!/bin/sh\necho good\nprintf 'bad \\351' >&2\n")
    with listener(box.join("journal"), socket.SOCK_DGRAM) as journal:
        hook.expect(0, under=with_run(box, "mkdir -p /run/systemd/journal",
                                      'ln -s "$BOX/journal" /run/systemd/journal/socket'))
        journal.setblocking(False)
        found = {}
        with contextlib.suppress(BlockingIOError):
            while True:
                fields = dict(line.split(b"=", 1) for line in journal.recv(65536).splitlines())
                found[fields.pop(b"MESSAGE")] = fields
    common = {b"SYSLOG_IDENTIFIER": b"drover-hook", b"DEPLOYMENT_ID": b"d-TEST", b"LIFECYCLE_EVENT": b"AfterInstall",
              b"DROVER_SCRIPT": b"scripts/hook.sh"}
    assert found == {b"LifecycleEvent - AfterInstall": {**common, b"PRIORITY": b"6"},
                     b"Script - scripts/hook.sh": {**common, b"PRIORITY": b"6"},
                     b"good": {**common, b"PRIORITY": b"6"}, b"bad \xe9": {**common, b"PRIORITY": b"5"}}, found


@case
def a_journal_that_hangs_holds_nothing_up(box):
    hook = Hook(box, "#!/bin/sh\nseq 1 50000\n")
    with listener(box.join("journal"), socket.SOCK_DGRAM):
        began = time.monotonic()
        result = hook.expect(0, under=with_run(box, "mkdir -p /run/systemd/journal",
                                               'ln -s "$BOX/journal" /run/systemd/journal/socket'))
    assert time.monotonic() - began < 5 and "lines of output are not in the journal" in result["note"], result
    assert len(hook.lines()) == 50002


@case
def a_systemd_without_a_bus_is_told_and_the_script_runs(box):
    hook = survivors_of(box, "exit 1\n")
    result = hook.expect(4, "exit status 1", under=with_run(box, "mkdir -p /run/systemd/system"))
    assert result["note"].startswith("no systemd scope for the script (no system bus"), result
    assert not [pid for pid in pids_of(box) if is_alive(pid)]


@case
def a_bus_that_hangs_is_waited_for_5_seconds(box):
    hook = Hook(box, "#!/bin/sh\necho ran\n")
    with listener(box.join("bus"), socket.SOCK_STREAM) as bus:
        bus.listen(5)
        began = time.monotonic()
        result = hook.expect(0, under=with_run(box, "mkdir -p /run/systemd/system /run/dbus",
                                               'ln -s "$BOX/bus" /run/dbus/system_bus_socket'))
    took = time.monotonic() - began
    assert 4.8 < took < 7 and "no systemd scope for the script" in result["note"], (took, result)
    assert hook.lines()[-1] == "[stdout]ran" and result["duration_ms"] < 2000


if __name__ == "__main__":
    run_all(needs=find_programs)
