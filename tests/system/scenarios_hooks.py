#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What AWS's local tool was seen to do with hook scripts."""

import os
import re
import signal
import time

from drover import (ASAN, FIRST, Agent, Local, Programs, case, case_with_both, environment, is_alive, read, run, run_all,
                    wait_until)

STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "


def bundle_with(box, script, event="AfterInstall", more="", name="bundle", location="scripts/the_script.sh", **given):
    """The sample, with one event's script replaced."""
    hooks = {one: box.note() for one in FIRST}
    hooks[event] = [(location, script, more)]
    return box.bundle(name, hooks=hooks, **given)


def before(event):
    return FIRST[:FIRST.index(event)]


def pid_of(box):
    return int(read(box.join("child")))


# ---- output


@case_with_both
def both_streams_are_logged_line_by_line(box, tool):
    tool.deploy(bundle_with(box, "#!/bin/sh\necho one\necho two >&2\nsleep 0.2\nprintf end\n")).expect(0)
    lines = tool.log().splitlines()
    assert all(re.match(STAMP, line) for line in lines), lines
    said = [re.sub(STAMP, "", line) for line in lines]
    at = said.index("LifecycleEvent - AfterInstall")
    assert said[at + 1] == "Script - scripts/the_script.sh"
    assert sorted(said[at + 2:at + 4]) == ["[stderr]two", "[stdout]one"]
    # The last line had no newline; the next entry still starts on a line of its own.
    assert said[at + 4:at + 6] == ["[stdout]end", "LifecycleEvent - ApplicationStart"]


@case_with_both
def the_log_of_all_deployments_names_the_deployment(box, tool):
    tool.deploy(bundle_with(box, "#!/bin/sh\necho one\n")).expect(0)
    deployment = os.path.basename(tool.deployments()[-1])
    path = os.path.join(tool.root, "deployment-logs", "codedeploy-agent-deployments.log")
    pattern = r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] \[%s\]\[stdout\]one$" % re.escape(deployment)
    assert re.search(pattern, read(path), re.MULTILINE), read(path)


@case_with_both
def twenty_thousand_lines_are_all_logged_and_their_end_is_shown(box, tool):
    script = '#!/bin/sh\ni=0\nwhile [ $i -lt 20000 ]; do echo "line $i"; i=$((i + 1)); done\nexit 1\n'
    result = tool.deploy(bundle_with(box, script)).expect(1, "line 19999")
    assert "line 100\n" not in result.text
    logged = re.findall(r"\[stdout\]line (\d+)$", tool.log(), re.MULTILINE)
    assert logged == [str(number) for number in range(20000)]


@case_with_both
def output_that_is_not_utf8_does_no_harm(box, tool):
    tool.deploy(bundle_with(box, "#!/bin/sh\nprintf 'bad \\377 byte\\n'\nexit 1\n")).expect(1, "bad \ufffd byte")


# ---- outcomes


@case_with_both
def an_exit_status_fails_the_deployment(box, tool):
    tool.deploy(bundle_with(box, "#!/bin/sh\necho why >&2\nexit 3\n")).expect(1, "scripts/the_script.sh", "3", "why")
    assert box.events() == before("AfterInstall")


@case_with_both
def later_scripts_of_the_event_do_not_run(box, tool):
    hooks = {"AfterInstall": [("a.sh", box.note("a:"), ""), ("b.sh", "#!/bin/sh\nexit 3\n", ""),
                              ("c.sh", box.note("c:"), "")], "ApplicationStart": box.note()}
    tool.deploy(box.bundle(hooks=hooks)).expect(1, "b.sh")
    assert box.events() == ["a:AfterInstall"]


@case_with_both
def death_by_a_signal_is_named(box, tool):
    result = tool.deploy(bundle_with(box, "#!/bin/sh\nkill -KILL $$\n")).expect(1, "scripts/the_script.sh")
    assert re.search(r"SIGKILL|signal 9|Killed", result.text), str(result)
    assert box.events() == before("AfterInstall")


@case_with_both
def a_missing_script_fails_before_the_first_hook(box, tool):
    tool.deploy(bundle_with(box, None)).expect((1, 2), "scripts/the_script.sh")
    assert box.events() == []
    assert not os.path.exists(box.target)


@case_with_both
def a_script_that_is_not_executable_is_made_so(box, tool):
    bundle = bundle_with(box, box.note("mine:"))
    os.chmod(os.path.join(bundle, "scripts/the_script.sh"), 0o644)
    tool.deploy(bundle).expect(0)
    assert "mine:AfterInstall" in box.events()


@case_with_both
def a_script_without_an_interpreter_line_is_run_by_sh(box, tool):
    tool.deploy(bundle_with(box, f'echo "mine:$LIFECYCLE_EVENT" >>{box.events_file}\n')).expect(0)
    assert "mine:AfterInstall" in box.events()


@case_with_both
def several_scripts_of_an_event_run_in_order(box, tool):
    hooks = {"AfterInstall": [(f"{name}.sh", box.note(name + ":"), "") for name in "cab"]}
    tool.deploy(box.bundle(hooks=hooks)).expect(0)
    assert box.events() == ["c:AfterInstall", "a:AfterInstall", "b:AfterInstall"]


@case_with_both
def a_location_with_a_blank_works(box, tool):
    hooks = {"AfterInstall": [("my scripts/the script.sh", box.note(), "")]}
    tool.deploy(box.bundle(hooks=hooks)).expect(0)
    assert box.events() == ["AfterInstall"]


@case_with_both
def a_location_is_a_path_without_arguments(box, tool):
    bundle = box.bundle(hooks={"BeforeInstall": box.note(), "AfterInstall": [("a.sh now", None, "")]},
                        files={"www/x": "", "a.sh": box.note()})
    tool.deploy(bundle).expect((1, 2), "a.sh now")
    assert box.events() == []


@case_with_both
def an_event_without_scripts_is_fine(box, tool):
    bundle = box.bundle(hooks={}, extra="hooks:\n  AfterInstall:\n")
    tool.deploy(bundle).expect(0)
    assert os.path.exists(os.path.join(box.target, "index.html"))


# ---- time and processes

STUBBORN = """#!/bin/sh
trap '' TERM
( setsid sh -c 'trap "" TERM; sleep 300; : {path}' & ) >/dev/null 2>&1
sleep 300 & wait
while :; do sleep 1; done
"""


@case_with_both
def a_script_that_takes_too_long_is_ended_with_all_it_started(box, tool):
    began = time.monotonic()
    result = tool.deploy(bundle_with(box, STUBBORN.format(path=box.path), more="timeout: 1\n"))
    result.expect(1, "scripts/the_script.sh")
    assert re.search(r"time", result.text), str(result)
    assert time.monotonic() - began < (60 if ASAN else 20)
    assert box.events() == before("AfterInstall")
    assert wait_until(lambda: not box.processes(), 2), box.processes()


@case_with_both
def nothing_survives_a_script_that_fails(box, tool):
    script = f"""#!/bin/sh
setsid sh -c 'echo $$ >{box.join("child")}; sleep 300' >/dev/null 2>&1 </dev/null &
while [ ! -s {box.join("child")} ]; do sleep 0.05; done
exit 1
"""
    tool.deploy(bundle_with(box, script)).expect(1)
    assert wait_until(lambda: not is_alive(pid_of(box)), 2)


def lives_on(box, tool, redirection):
    script = f"""#!/bin/sh
sh -c 'echo $$ >{box.join("child")}; sleep 300' {redirection} &
while [ ! -s {box.join("child")} ]; do sleep 0.05; done
echo started
"""
    began = time.monotonic()
    result = tool.deploy(bundle_with(box, script, event="ApplicationStart", more="timeout: 60\n"))
    result.expect(0)
    assert time.monotonic() - began < (50 if ASAN else 20)
    assert "ValidateService" in box.events()
    assert is_alive(pid_of(box))
    os.killpg(os.getpgid(pid_of(box)), signal.SIGKILL)
    assert wait_until(lambda: not box.processes(), 5), box.processes()
    return result


@case_with_both
def a_background_process_that_holds_the_output_lives_on_and_is_told_of(box, tool):
    result = lives_on(box, tool, "")
    assert re.search(r"left|still|holds|open", result.text), str(result)


@case_with_both
def a_detached_process_lives_on(box, tool):
    lives_on(box, tool, "</dev/null >/dev/null 2>&1")


# ---- what a script sees

SHOW = """#!/bin/sh
exec >{path}
env | sort
echo "umask=$(umask)"
echo "pwd=$(pwd)"
echo "fds=$(ls /proc/self/fd | tr '\\n' ' ')"
echo "stdin=$(readlink /proc/self/fd/0)"
"""


def seen(box, tool, more=(), **how):
    """The script's own account: name -> value."""
    bundle = bundle_with(box, SHOW.format(path=box.join("seen")))
    tool.deploy(bundle, more=more, **how).expect(0)
    return dict(line.split("=", 1) for line in read(box.join("seen")).splitlines() if "=" in line)


@case
def the_environment_of_codedeploy_local_is_that_of_aws(box):
    tool = Local(box)
    env = seen(box, tool)
    assert env["LIFECYCLE_EVENT"] == "AfterInstall"
    assert re.fullmatch(r"d-[A-Z0-9]{9}-local", env["DEPLOYMENT_ID"])
    assert env["DEPLOYMENT_ID"] == os.path.basename(tool.deployments()[-1])
    assert env["APPLICATION_NAME"] == box.join("bundle")
    assert env["DEPLOYMENT_GROUP_NAME"] == "LocalFleet"
    assert env["DEPLOYMENT_GROUP_ID"] == "default-local-deployment-group"
    assert env["DROVER_BUNDLE_DIR"] == os.path.join(tool.deployments()[-1], "deployment-archive")


@case
def the_environment_of_drover_agent_names_what_was_given(box):
    tool = Agent(box)
    env = seen(box, tool, more=["--application", "shop", "--group", "prod"])
    assert env["APPLICATION_NAME"] == "shop"
    assert env["DEPLOYMENT_GROUP_NAME"] == "prod"
    assert env["DROVER_BUNDLE_DIR"] == os.path.join(tool.deployments()[-1], "deployment-archive")
    assert env["pwd"] == env["DROVER_BUNDLE_DIR"]


@case_with_both
def the_previous_bundle_is_named_when_there_is_one(box, tool):
    script = f'#!/bin/sh\necho "$LIFECYCLE_EVENT ${{DROVER_PREVIOUS_BUNDLE_DIR-none}}" >>{box.events_file}\n'
    tool.deploy(box.bundle(hooks={"AfterInstall": script})).expect(0)
    assert box.events() in (["AfterInstall none"], ["AfterInstall "])
    first = tool.deployments()[-1]
    tool.deploy(box.bundle("second", hooks={"AfterInstall": script})).expect(0)
    assert box.events() == [f"AfterInstall {first}/deployment-archive"]


@case_with_both
def the_base_environment_is_clean(box, tool):
    env = seen(box, tool, env=environment(AWS_SECRET_ACCESS_KEY="secret", AWS_ACCESS_KEY_ID="id", LD_PRELOAD="",
                                          MY_OWN_VARIABLE="x"))
    assert not {"AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "LD_PRELOAD", "NOTIFY_SOCKET"} & env.keys(), env
    assert env["HOME"] == "/root" and env["USER"] == "root" and env["LOGNAME"] == "root"
    assert "/usr/bin" in env["PATH"].split(":") and "/usr/sbin" in env["PATH"].split(":")


@case_with_both
def a_script_has_its_three_streams_and_nothing_else_open(box, tool):
    env = seen(box, tool)
    assert env["fds"].split() == ["0", "1", "2", "3"]  # 3 is the directory that ls reads
    assert env["stdin"] == "/dev/null"


@case_with_both
def the_umask_is_inherited(box, tool):
    old = os.umask(0o027)
    try:
        assert seen(box, tool)["umask"] == "0027"
    finally:
        os.umask(old)


# ---- users


def as_user(box, tool, user, more=""):
    script = f'#!/bin/sh\nid -un >{box.join("out", "who")}\nid -Gn >>{box.join("out", "who")}\n' \
             f'echo "$HOME $USER $LOGNAME $SHELL" >>{box.join("out", "who")}\n'
    os.makedirs(box.join("out"))
    os.chmod(box.join("out"), 0o777)
    return tool.deploy(bundle_with(box, script, more=f"runas: {user}\n{more}"))


@case_with_both
def runas_root_works(box, tool):
    as_user(box, tool, "root").expect(0)
    assert read(box.join("out", "who")).splitlines()[0] == "root"


@case_with_both
def runas_a_user_whose_shell_is_nologin_works(box, tool):
    as_user(box, tool, "nobody").expect(0)
    assert read(box.join("out", "who")).splitlines()[:2] == ["nobody", "nogroup"]
    assert read(box.join("out", "who")).splitlines()[2].startswith("/nonexistent nobody nobody ")


@case_with_both
def an_unknown_user_fails_its_event_with_a_message(box, tool):
    as_user(box, tool, "nobody-knows-me").expect(1, "nobody-knows-me")
    assert not os.path.exists(box.join("out", "who"))
    assert box.events() == before("AfterInstall")


@case_with_both
def an_unknown_user_of_the_first_event_fails_before_anything_is_touched(box, tool):
    script = f"#!/bin/sh\ntouch {box.join('ran')}\n"
    result = tool.deploy(bundle_with(box, script, event="BeforeInstall", more="runas: nobody-knows-me\n"))
    result.expect(1, "nobody-knows-me")
    assert not os.path.exists(box.join("ran"))
    assert not os.path.exists(box.target)
    assert box.events() == []


@case_with_both
def a_user_that_an_earlier_hook_creates_is_found(box, tool):
    """The check of runas belongs to the start of its event: real bundles create the user in BeforeInstall."""
    hooks = {"BeforeInstall": "#!/bin/sh\nexit 0\n",
             "AfterInstall": [("as.sh", f"#!/bin/sh\nid -u >{box.join('out', 'who')}\n", "runas: daemon\n")]}
    os.makedirs(box.join("out"))
    os.chmod(box.join("out"), 0o777)
    tool.deploy(box.bundle(hooks=hooks)).expect(0)
    assert read(box.join("out", "who")) == "1\n"


@case
def the_agents_own_streams_are_not_needed(box):
    """Started with closed streams, as from a badly written cron job."""
    bundle = bundle_with(box, "#!/bin/sh\necho one\necho two >&2\n")
    run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *programs_argv(box, bundle)]).expect(0)
    assert box.events() == [event for event in FIRST if event != "AfterInstall"]


def programs_argv(box, bundle):
    return [Programs.get().path("codedeploy-local"), "-l", bundle, "-t", "directory", "-c", box.config]


if __name__ == "__main__":
    run_all()
