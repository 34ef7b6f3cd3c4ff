#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The local verbs of drover-agent, by what an administrator sees: exit status, words, files."""

import fcntl
import hashlib
import json
import os
import pty
import select
import shlex
import shutil
import subprocess
import tempfile
import time

from drover import (ASAN, FIRST, Agent, Local, Programs, case, environment, find_program, pack, read, run, run_all, tree,
                    wait_until, write)


def fingerprint(path):
    """A checksum over everything below a directory: names, types, modes, owners, times and contents."""
    digest = hashlib.sha256()
    for above, names, files in os.walk(path):
        names.sort()
        for name in sorted(names + files) + ["."]:
            full = os.path.join(above, name)
            st = os.lstat(full)
            digest.update(repr((full, st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns, st.st_size, st.st_nlink))
                          .encode("utf-8", "surrogateescape"))
            if os.path.islink(full):
                digest.update(os.readlink(full).encode("utf-8", "surrogateescape"))
            elif os.path.isfile(full):
                with open(full, "rb") as file:
                    digest.update(file.read())
    return digest.hexdigest()


def deploy_two(box):
    """A first and a second revision, both good. Returns the tool."""
    tool = Agent(box)
    for name in ("first", "second"):
        tool.deploy(box.bundle(name, tag=name + ":")).expect(0)
    box.events()
    return tool


# ---- plan


@case
def plan_says_what_would_be_done_to_each_file(box):
    tool = Agent(box)
    tool.deploy(box.bundle("first", files={"www/same": "s", "www/changed": "1", "www/gone": "g"})).expect(0)
    second = box.bundle("second", files={"www/same": "s", "www/changed": "22", "www/fresh": "f"})
    result = tool.verb("plan", "--bundle", second).expect(0)
    for word, name in (("new", "fresh"), ("replaced", "changed"), ("same", "same"), ("removed", "gone")):
        assert any(word in line and os.path.join(box.target, name) in line for line in result.out.splitlines()), \
            f"{word} {name}: {result}"
    for event in ("BeforeInstall", "AfterInstall"):
        result.expect(0, event)
    assert read(os.path.join(box.target, "changed")) == "1"


@case
def plan_as_json_says_the_same(box):
    tool = Agent(box)
    tool.deploy(box.bundle("first", files={"www/changed": "1", "www/gone": "g"})).expect(0)
    second = box.bundle("second", files={"www/changed": "22", "www/fresh": "f"})
    plan = json.loads(tool.verb("plan", "--bundle", second, "--json").expect(0).out)
    text = json.dumps(plan)
    for name in ("changed", "gone", "fresh"):
        assert os.path.join(box.target, name) in text, text


@case
def plan_leaves_no_trace(box):
    tool = deploy_two(box)
    third = box.bundle("third", files={"www/index.html": "3", "www/more": "m"})
    archive = pack(third, box.join("third.tgz"), "tgz")
    before = fingerprint(box.path)
    # Outside the tree that is compared: what comes and goes in it changes its time.
    with tempfile.TemporaryDirectory() as scratch:
        for bundle in (third, archive):
            tool.verb("plan", "--bundle", bundle, env=environment(TMPDIR=scratch)).expect(0)
            assert fingerprint(box.path) == before
            assert not os.listdir(scratch)
    assert not box.events()


@case
def plan_of_a_first_deployment_makes_no_state_directory(box):
    Agent(box).verb("plan", "--bundle", box.bundle()).expect(0)
    assert not os.path.exists(box.state)
    assert not os.path.exists(box.target)


@case
def plan_names_a_conflict_before_it_happens(box):
    write(os.path.join(box.target, "index.html"), "not ours\n")
    result = Agent(box).verb("plan", "--bundle", box.bundle())
    result.expect((0, 1, 2), os.path.join(box.target, "index.html"))
    assert "exist" in result.text or "conflict" in result.text, str(result)


# ---- redeploy, rollback, forget


@case
def redeploy_brings_back_what_was_installed(box):
    tool = deploy_two(box)
    index = os.path.join(box.target, "index.html")
    write(index, "spoilt\n")
    tool.verb("redeploy").expect(0)
    assert read(index) == "<h1>second</h1>\n"
    assert box.events() == ["second:" + event for event in
                            ["BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop", *FIRST]]


@case
def redeploy_does_not_need_the_bundle_any_more(box):
    tool = deploy_two(box)
    os.rename(box.join("second"), box.join("elsewhere"))
    tool.verb("redeploy").expect(0)
    assert read(os.path.join(box.target, "index.html")) == "<h1>second</h1>\n"


@case
def rollback_says_from_where_to_where_and_goes_there(box):
    tool = deploy_two(box)
    result = tool.verb("rollback").expect(0)
    first_line = result.out.splitlines()[0]
    assert first_line.index("second") < first_line.index("first"), str(result)
    assert read(os.path.join(box.target, "index.html")) == "<h1>first</h1>\n"


@case
def rollback_passes_over_a_revision_that_failed(box):
    tool = deploy_two(box)
    bad = box.bundle("bad", hooks={"ValidateService": "#!/bin/sh\nexit 1\n"})
    tool.deploy(bad).expect(1)
    assert read(os.path.join(box.target, "index.html")) == "<h1>bad</h1>\n"
    tool.verb("rollback").expect(0, "second")
    assert read(os.path.join(box.target, "index.html")) == "<h1>second</h1>\n"


@case
def rollback_goes_to_the_revision_that_is_named(box):
    tool = deploy_two(box)
    tool.deploy(box.bundle("third")).expect(0)
    tool.verb("rollback", "--to", os.path.basename(tool.deployments()[0])).expect(0)
    assert read(os.path.join(box.target, "index.html")) == "<h1>first</h1>\n"
    tool.verb("rollback", "--to", "d-NOSUCHONE").expect(2, "d-NOSUCHONE")


@case
def rollback_restores_files_that_were_not_ours(box):
    path = write(os.path.join(box.target, "index.html"), "the administrator's\n", 0o640)
    tool = Agent(box)
    tool.deploy(box.bundle("first", files={"www/other": "1"})).expect(0)
    tool.deploy(box.bundle("second", files={"www/index.html": "2"}), behavior="OVERWRITE").expect(0)
    assert read(path) == "2"
    tool.verb("rollback").expect(0)
    assert read(path) == "the administrator's\n"


@case
def rollback_with_nothing_to_go_to_is_refused(box):
    tool = Agent(box)
    tool.deploy(box.bundle()).expect(0)
    tool.verb("rollback").expect(2)
    assert read(os.path.join(box.target, "index.html")) == "<h1>bundle</h1>\n"


@case
def rollback_after_forget_says_that_nothing_is_installed(box):
    tool = deploy_two(box)
    tool.verb("forget", "--group", tool.group).expect(0)
    tool.verb("rollback").expect(0, "rolling back from nothing installed to", "second")


def advice_of(result):
    """The command that a failed deployment proposes, as a shell would split it."""
    lines = result.err.splitlines()
    found = [number for number, line in enumerate(lines) if line.startswith("next: ")]
    assert len(found) == 1, str(result)
    return shlex.split(lines[found[0] + 1])


@case
def a_failed_deployment_says_how_to_go_back_and_where_all_output_is(box):
    tool = deploy_two(box)
    bad = box.bundle("bad", hooks={"ValidateService": "#!/bin/sh\necho why\nexit 1\n"})
    result = tool.deploy(bad).expect(1, "all output: ", "go back to ", "second")
    log = [line[12:] for line in result.err.splitlines() if line.startswith("all output: ")][0]
    assert "[stdout]why" in read(log)
    run(advice_of(result)).expect(0)
    assert read(os.path.join(box.target, "index.html")) == "<h1>second</h1>\n"


@case
def a_deployment_that_fails_before_its_install_says_how_to_start_the_old_one_again(box):
    tool = deploy_two(box)
    bad = box.bundle("bad", hooks={"BeforeInstall": "#!/bin/sh\nexit 1\n"})
    result = tool.deploy(bad).expect(1, "second (d-", "is still installed")
    assert advice_of(result)[:2] == ["drover-agent", "redeploy"], str(result)
    run(advice_of(result)).expect(0)


@case
def the_way_back_is_a_command_that_a_shell_takes(box):
    tool = Agent(box)
    group = ["--group", "it's my \\ group", "--application", "$shop"]
    tool.deploy(box.bundle("first"), more=group).expect(0)
    bad = box.bundle("bad", hooks={"ValidateService": "#!/bin/sh\nexit 1\n"})
    run(advice_of(tool.deploy(bad, more=group).expect(1))).expect(0, "first")


@case
def a_failed_first_deployment_proposes_no_rollback(box):
    bad = box.bundle("bad", hooks={"ValidateService": "#!/bin/sh\nexit 1\n"})
    result = Agent(box).deploy(bad).expect(1, "no other revision that worked is kept here")
    assert "rollback" not in result.text, str(result)


@case
def an_answer_that_cannot_be_written_is_a_failure(box):
    tool = Agent(box)
    bundle = box.bundle()
    for verb in (["plan", "--bundle", bundle], ["status", "--json"], ["--help"]):
        argv = ["sh", "-c", '"$@" >/dev/full', "sh", find_program("drover-agent"), verb[0]]
        argv += ["--state-dir", box.state] if verb != ["--help"] else []
        run(argv + verb[1:]).expect(1, "standard output could not be written")
    tool.deploy(bundle).expect(0)
    argv = ["sh", "-c", '"$@" >/dev/full', "sh", find_program("drover-agent"), "deploy"]
    run(argv + ["--bundle", bundle, "--state-dir", box.state]).expect(0, "standard output could not be written")


def as_nobody(program, *argv):
    done = subprocess.run([program, *argv], capture_output=True, text=True, check=False, env=environment(), cwd="/",
                          user=65534, group=65534, extra_groups=[])
    return done.returncode, done.stdout + done.stderr


@case
def who_may_not_is_told_to_be_root(box):
    with tempfile.TemporaryDirectory() as open_to_all:
        os.chmod(open_to_all, 0o755)
        program = shutil.copy(find_program("drover-agent"), open_to_all)
        state = os.path.join(open_to_all, "state")
        run(["drover-agent", "deploy", "--bundle", box.bundle(), "--state-dir", state]).expect(0)
        status, text = as_nobody(program, "redeploy", "--state-dir", state)
        assert status == 1 and "run it as root" in text, (status, text)
        status, text = as_nobody(program, "status", "--state-dir", state)
        assert status == 1 and "root only" in text and "damaged" not in text, (status, text)


@case
def a_broken_stop_script_can_be_ignored(box):
    tool = Agent(box)
    tool.deploy(box.bundle("first", hooks={"ApplicationStop": "#!/bin/sh\nexit 7\n"})).expect(0)
    second = box.bundle("second")
    tool.deploy(second).expect(1, "ApplicationStop")
    assert read(os.path.join(box.target, "index.html")) == "<h1>first</h1>\n"
    tool.deploy(second, more=["--ignore-stop-failures"]).expect(0)
    assert read(os.path.join(box.target, "index.html")) == "<h1>second</h1>\n"


@case
def a_group_that_is_forgotten_has_no_scripts_to_run_but_keeps_its_files(box):
    tool = deploy_two(box)
    group = tool.group
    tool.verb("forget", "--group", group).expect(0)
    assert read(os.path.join(box.target, "index.html")) == "<h1>second</h1>\n"
    tool.deploy(box.bundle("third"), behavior="OVERWRITE", more=["--group", group]).expect(0)
    assert box.events() == FIRST


@case
def forgetting_an_unknown_group_is_refused(box):
    deploy_two(box).verb("forget", "--group", "nobody-knows-it").expect(2, "nobody-knows-it")


# ---- groups


@case
def several_groups_must_be_told_apart(box):
    tool = Agent(box)
    tool.deploy(box.bundle("a", files={"a/x": ""}), more=["--group", "one"]).expect(0)
    tool.deploy(box.bundle("b", files={"b/x": ""}), more=["--group", "two"]).expect(0)
    tool.verb("redeploy").expect(2, "one", "two")
    tool.verb("redeploy", "--group", "two").expect(0)


@case
def a_group_cannot_be_named_like_the_roots_own_directories(box):
    bundle = box.bundle()
    for name in ("deployment-instructions", "deployment-logs", "ongoing-deployment"):
        Agent(box).deploy(bundle, more=["--group", name]).expect(2, f"'{name}' cannot name a new group")
        Local(box).deploy(bundle, more=["-g", name]).expect(2, f"'{name}' cannot be a deployment group's id")


@case
def two_groups_do_not_own_the_same_file(box):
    tool = Agent(box)
    tool.deploy(box.bundle("a"), more=["--group", "one"]).expect(0)
    tool.deploy(box.bundle("b"), more=["--group", "two"]).expect(1, "index.html")
    assert read(os.path.join(box.target, "index.html")) == "<h1>a</h1>\n"


# ---- status, check


@case
def status_names_what_is_installed_and_what_is_kept(box):
    tool = deploy_two(box)
    tool.verb("status").expect(0, "second", "first")
    status = json.loads(tool.verb("status", "--json").expect(0).out)
    assert os.path.basename(tool.pointer()) in json.dumps(status)


@case
def status_of_an_empty_host_is_no_failure(box):
    Agent(box).verb("status").expect(0)
    json.loads(Agent(box).verb("status", "--json").expect(0).out)
    assert not os.path.exists(box.state)


def assert_check(path, status, *parts, strict=False):
    run(["drover-agent", "check", path, *(["--strict"] if strict else [])]).expect(status, *parts)


@case
def check_tells_clean_from_warnings_from_errors(box):
    assert_check(box.bundle("clean"), 0)
    warned = box.bundle("warned")
    with open(os.path.join(warned, "appspec.yml"), "a", encoding="ascii") as file:
        file.write("  AfterInstal:\n    - location: scripts/AfterInstall.sh\n")
    assert_check(warned, 0, "AfterInstal", "did you mean")
    assert_check(warned, 1, "AfterInstal", strict=True)
    broken = box.bundle("broken", appspec="version: 0.0\nos: lunix\nfiles:\n  - source: x\n")
    assert_check(broken, 2, "appspec.yml:2:", "lunix", "appspec.yml:4:")
    assert_check(os.path.join(broken, "appspec.yml"), 2, "lunix")


@case
def check_as_json_has_each_finding_with_its_place(box):
    broken = box.bundle("broken", appspec="version: 0.0\nos: lunix\n")
    result = run(["drover-agent", "check", broken, "--json"]).expect(2)
    assert '"line": 2' in json.dumps(json.loads(result.out)), str(result)


@case
def check_takes_an_archive(box):
    broken = box.bundle("bundle", hooks={"AfterInstall": [("no.sh", None, "")]})
    archive = pack(broken, box.join("b.tgz"), "tgz")
    run(["drover-agent", "check", archive]).expect(2, "no.sh")


# ---- who else is at it

HOLD = "#!/bin/sh\ntouch {path}/holding\nwhile [ ! -e {path}/go ]; do sleep 0.05; done\n"


def start_holder(box, tool):
    """A deployment that stands still in AfterInstall until the file `go` is there."""
    bundle = box.bundle("holder", hooks={"AfterInstall": HOLD.format(path=box.path)})
    argv = [Programs.get().path("drover-agent"), "deploy", "--bundle", bundle, "--state-dir", box.state,
            "--group", "held"]
    holder = subprocess.Popen(argv, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert wait_until(lambda: os.path.exists(box.join("holding")), 30)
    return holder


@case
def a_busy_group_is_told_of_at_once_with_its_holder(box):
    tool = Agent(box)
    holder = start_holder(box, tool)
    began = time.monotonic()
    tool.deploy(box.bundle("next"), more=["--group", "held"]).expect(3, str(holder.pid))
    assert time.monotonic() - began < (15 if ASAN else 3)
    tool.verb("status").expect(0)
    tool.deploy(box.bundle("other"), more=["--group", "held", "--wait=1"]).expect(3)
    write(box.join("go"))
    assert holder.wait(30) == 0


@case
def waiting_for_a_busy_group_goes_on_when_it_is_free(box):
    tool = Agent(box)
    holder = start_holder(box, tool)
    argv = [Programs.get().path("drover-agent"), "deploy", "--bundle", box.bundle("next"), "--state-dir", box.state,
            "--group", "held", "--wait"]
    waiter = subprocess.Popen(argv, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.3)
    assert waiter.poll() is None
    write(box.join("go"))
    assert holder.wait(30) == 0
    assert waiter.wait(60) == 0
    assert read(os.path.join(box.target, "index.html")) == "<h1>next</h1>\n"


# ---- output


@case
def quiet_says_nothing_unless_it_fails(box):
    tool = Agent(box)
    result = tool.deploy(box.bundle(), more=["--quiet"]).expect(0)
    assert result.text == "", str(result)
    bad = box.bundle("bad", hooks={"AfterInstall": "#!/bin/sh\necho why >&2\nexit 3\n"})
    tool.deploy(bad, more=["--quiet"]).expect(1, "AfterInstall", "why")


@case
def json_output_is_one_object_a_line(box):
    tool = Agent(box)
    lines = tool.deploy(box.bundle(), more=["--json"]).expect(0).out.splitlines()
    parsed = [json.loads(line) for line in lines]
    assert all(isinstance(one, dict) for one in parsed)
    assert any("AfterInstall" in line for line in lines)
    bad = box.bundle("bad", hooks={"AfterInstall": "#!/bin/sh\necho why >&2\nexit 3\n"})
    last = json.loads(tool.deploy(bad, more=["--json"]).expect(1).out.splitlines()[-1])
    assert "why" in json.dumps(last), last


@case
def plain_lines_go_where_there_is_no_terminal(box):
    result = Agent(box).deploy(box.bundle(hooks={"AfterInstall": "#!/bin/sh\nsleep 1.5\n"})).expect(0)
    assert "\r" not in result.text and "\033" not in result.text, repr(result.text)


@case
def a_terminal_shows_what_takes_longer_than_a_second(box):
    bundle = box.bundle(hooks={"AfterInstall": "#!/bin/sh\nsleep 2.5\n"})
    ours, theirs = pty.openpty()
    argv = [Programs.get().path("drover-agent"), "deploy", "--bundle", bundle, "--state-dir", box.state]
    child = subprocess.Popen(argv, env=environment(TERM="xterm"), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    fcntl.fcntl(ours, fcntl.F_SETFL, os.O_NONBLOCK)
    while child.poll() is None or select.select([ours], [], [], 0.2)[0]:
        if select.select([ours], [], [], 0.2)[0]:
            try:
                more = os.read(ours, 65536)
            except OSError:  # the terminal's other end is closed
                break
            if not more:
                break
            shown += more
    os.close(ours)
    assert child.wait(30) == 0
    assert b"\r" in shown.replace(b"\r\n", b"") and b"AfterInstall" in shown, shown


# ---- places


@case
def an_install_root_is_put_before_every_destination(box):
    appspec = "version: 0.0\nos: linux\nfiles:\n  - source: www\n    destination: /srv/no-such-site\n"
    bundle = box.bundle(appspec=appspec)
    Agent(box).deploy(bundle, more=["--install-root", box.join("image")]).expect(0)
    assert read(box.join("image", "srv/no-such-site/index.html")) == "<h1>bundle</h1>\n"
    assert not os.path.exists("/srv/no-such-site")


@case
def a_group_stays_below_its_install_root(box):
    tool = Agent(box)
    appspec = "version: 0.0\nos: linux\nfiles:\n  - source: www\n    destination: /srv/no-such-site\n"
    bundle = box.bundle(appspec=appspec)
    tool.deploy(bundle, more=["--install-root", box.join("image")]).expect(0)
    tool.verb("plan", "--bundle", bundle).expect(2, "--install-root " + box.join("image"))
    tool.deploy(bundle).expect(2, "--install-root " + box.join("image"))
    tool.deploy(bundle, more=["--install-root", box.join("other")]).expect(2, "--install-root " + box.join("image"))
    os.unlink(box.join("image", "srv/no-such-site/index.html"))
    tool.verb("redeploy").expect(0)
    assert os.path.exists(box.join("image", "srv/no-such-site/index.html"))
    assert not os.path.exists("/srv/no-such-site")
    assert not os.path.exists(box.join("other"))


@case
def the_same_revision_again_writes_nothing_anew(box):
    tool = Agent(box)
    bundle = box.bundle()
    tool.deploy(bundle).expect(0)
    before = {name: os.lstat(os.path.join(box.target, name)).st_ino for name in tree(box.target)}
    tool.deploy(bundle).expect(0)
    assert {name: os.lstat(os.path.join(box.target, name)).st_ino for name in tree(box.target)} == before


@case
def both_programs_are_one(box):
    assert os.path.samefile(Programs.get().path("codedeploy-local"), find_program("drover-agent"))
    Local(box).deploy(box.bundle()).expect(0)


@case
def no_verb_and_a_wrong_verb_are_wrong_use(_box):
    run(["drover-agent"]).expect(2)
    run(["drover-agent", "deplyo"]).expect(2, "deplyo")
    run(["drover-agent", "deploy"]).expect(2, "--bundle")
    run(["drover-agent", "check"]).expect(2)


if __name__ == "__main__":
    run_all()
