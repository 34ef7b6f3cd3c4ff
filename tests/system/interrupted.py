#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What becomes of a deployment that is cut off, of records that are damaged, and of revisions that are kept."""

import glob
import json
import os
import signal
import subprocess

from drover import Agent, Programs, case, environment, read, run_all, tree, wait_until, write

HOLD = "#!/bin/sh\necho begun\ntouch {path}/holding\nwhile [ ! -e {path}/go ]; do sleep 0.05; done\n"


def start(box, event="AfterInstall", name="held", **more):
    """A deployment that stands still in a script until the file `go` is there."""
    bundle = box.bundle(name, hooks={event: HOLD.format(path=box.path)})
    argv = [Programs.get().path("drover-agent"), "deploy", "--bundle", bundle, "--state-dir", box.state]
    command = subprocess.Popen(argv, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    assert wait_until(lambda: os.path.exists(box.join("holding")), 30)
    return command


def end(command, number):
    command.send_signal(number)
    said = command.communicate(timeout=60)[0].decode()
    return command.returncode, said


def status(tool):
    return json.loads(tool.verb("status", "--json").expect(0).out)["groups"][0]


# ---- signals


def assert_ends_in_order(box, number):
    tool = Agent(box)
    command = start(box)
    returned, said = end(command, number)
    assert returned == 1, said
    assert "AfterInstall" in said and "cancelled" in said and "begun" in said, said
    assert status(tool)["deployments"][0]["state"] == "failed"
    assert not status(tool)["under_way"]
    assert not box.processes()


@case
def ctrl_c_ends_the_script_and_the_deployment(box):
    assert_ends_in_order(box, signal.SIGINT)


@case
def sigterm_ends_it_likewise(box):
    assert_ends_in_order(box, signal.SIGTERM)


@case
def so_does_a_line_that_goes_down(box):
    assert_ends_in_order(box, signal.SIGHUP)


@case
def ctrl_c_in_a_stop_script_leaves_the_installed_revision(box):
    tool = Agent(box)
    tool.deploy(box.bundle("first", hooks={"ApplicationStop": HOLD.format(path=box.path)})).expect(0)
    before = tree(box.target)
    argv = [Programs.get().path("drover-agent"), "deploy", "--bundle", box.bundle("second"), "--state-dir", box.state,
            "--ignore-stop-failures"]
    command = subprocess.Popen(argv, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert wait_until(lambda: os.path.exists(box.join("holding")), 30)
    returned, said = end(command, signal.SIGINT)
    assert returned == 1 and "ApplicationStop" in said, said
    assert tree(box.target) == before
    assert tool.pointer() == tool.deployments()[0]
    assert not glob.glob(os.path.join(tool.root, "*", "*", ".unpacking"))


@case
def a_terminal_that_goes_away_does_not_stop_a_deployment(box):
    tool = Agent(box)
    bundle = box.bundle(hooks={"AfterInstall": f"#!/bin/sh\nsleep 0.5\necho x >>{box.events_file}\n"})
    argv = [Programs.get().path("drover-agent"), "deploy", "--bundle", bundle, "--state-dir", box.state]
    reading, writing = os.pipe()
    command = subprocess.Popen(argv, env=environment(), stdout=writing, stderr=writing)
    os.close(writing)
    os.close(reading)
    assert command.wait(60) == 0
    assert box.events() == ["x"]
    assert status(tool)["deployments"][0]["state"] == "succeeded"


# ---- killed


@case
def a_killed_command_leaves_the_group_locked_until_its_script_ends(box):
    tool = Agent(box)
    command = start(box)
    assert end(command, signal.SIGKILL)[0] == -signal.SIGKILL
    tool.deploy(box.bundle("next")).expect(3, "has ended", str(command.pid))
    assert status(tool)["under_way"]
    write(box.join("go"))
    assert wait_until(lambda: not status(tool)["under_way"], 20)
    assert "cut off at AfterInstall" in tool.verb("status").expect(0).out
    assert status(tool)["deployments"][0]["state"] == "interrupted"
    tool.deploy(box.bundle("after")).expect(0)


@case
def the_next_deployment_says_what_was_cut_off(box):
    tool = Agent(box)
    command = start(box, "BeforeInstall")
    end(command, signal.SIGKILL)
    write(box.join("go"))
    tool.deploy(box.bundle("next"), more=["--wait=20"]).expect(0, "recovered:", "cut off at BeforeInstall")
    assert read(os.path.join(box.target, "index.html")) == "<h1>next</h1>\n"


# ---- records


@case
def a_damaged_history_is_put_aside_by_the_next_deployment(box):
    tool = Agent(box)
    tool.deploy(box.bundle("first")).expect(0)
    [path] = glob.glob(os.path.join(tool.root, "deployment-instructions", "*-history.json"))
    write(path, "{\"deployments\": [")
    tool.verb("status").expect((0, 1), "damaged")
    tool.deploy(box.bundle("second")).expect(0, "put aside")
    [aside] = glob.glob(path + ".damaged-*")
    assert read(aside) == "{\"deployments\": ["
    assert status(tool)["good"]


@case
def a_damaged_history_does_not_make_a_second_group(box):
    tool = Agent(box)
    tool.deploy(box.bundle("first"), more=["--group", "one"]).expect(0)
    write(os.path.join(tool.root, "deployment-instructions", "one-history.json"), "")
    tool.deploy(box.bundle("second"), more=["--group", "prod"]).expect(2, "damaged", "one")
    assert len(glob.glob(os.path.join(tool.root, "*", "d-*"))) == 1


# ---- what is checked before the first script


@case
def a_revision_that_cannot_be_installed_stops_nothing(box):
    tool = Agent(box)
    tool.deploy(box.bundle("first", tag="first:")).expect(0)
    box.events()
    broken = box.bundle("broken", hooks={"AfterInstall": [("missing.sh", None, "")]})
    tool.deploy(broken).expect(2, "missing.sh")
    assert not box.events()
    assert len(tool.deployments()) == 1


@case
def a_path_of_another_group_is_refused_before_the_first_script(box):
    tool = Agent(box)
    tool.deploy(box.bundle("a"), more=["--group", "one"]).expect(0)
    own, box.target = box.target, box.join("other")
    tool.deploy(box.bundle("b"), more=["--group", "two"]).expect(0)
    box.target = own
    box.events()
    tool.deploy(box.bundle("c"), more=["--group", "two"]).expect(1, "index.html", "nothing was changed")
    assert not box.events()


# ---- revisions


@case
def rollback_passes_over_a_deployment_of_the_same_revision(box):
    tool = Agent(box)
    tool.deploy(box.bundle("first")).expect(0)
    second = box.bundle("second")
    tool.deploy(second).expect(0)
    tool.deploy(second).expect(0)
    tool.verb("redeploy").expect(0)
    tool.verb("rollback").expect(0)
    assert read(os.path.join(box.target, "index.html")) == "<h1>first</h1>\n"
    tool.verb("rollback").expect(0)
    assert read(os.path.join(box.target, "index.html")) == "<h1>second</h1>\n"


@case
def what_worked_is_kept_however_many_fail_after_it(box):
    tool = Agent(box)
    config = write(box.join("agent.yml"), "max_revisions: 2\n")
    tool.deploy(box.bundle("good"), more=["-c", config]).expect(0)
    for number in range(4):
        bad = box.bundle(f"bad{number}", hooks={"ValidateService": "#!/bin/sh\nexit 1\n"})
        tool.deploy(bad, more=["-c", config]).expect(1)
    assert len(tool.deployments()) == 3  # the good one, the installed one, and the one that came last
    tool.verb("rollback", "-c", config).expect(0, "good")
    assert read(os.path.join(box.target, "index.html")) == "<h1>good</h1>\n"


@case
def a_stop_script_that_breaks_is_no_obstacle_to_a_rollback(box):
    tool = Agent(box)
    tool.deploy(box.bundle("first")).expect(0)
    tool.deploy(box.bundle("second", hooks={"ApplicationStop": "#!/bin/sh\nexit 9\n"})).expect(0)
    tool.verb("rollback").expect(0, "ApplicationStop", "ignored")
    assert read(os.path.join(box.target, "index.html")) == "<h1>first</h1>\n"


@case
def a_bundle_that_is_gone_names_the_ways_on(box):
    tool = Agent(box)
    tool.deploy(box.bundle("first")).expect(0)
    archive = os.path.join(tool.deployments()[0], "deployment-archive")
    os.rename(archive, archive + ".gone")
    tool.deploy(box.bundle("second")).expect(1, "--ignore-stop-failures", "forget")
    tool.verb("redeploy").expect(2, "no longer kept")
    tool.deploy(box.bundle("third"), more=["--ignore-stop-failures"]).expect(0)


if __name__ == "__main__":
    run_all()
