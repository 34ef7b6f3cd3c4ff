#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What AWS's local tool was seen to do with a bundle: bundles and the command line. Where Drover differs on purpose,
doc/differences.md says so. Scenarios of hooks are in scenarios_hooks.py, those of files in scenarios_install.py."""

import itertools
import os
import re
import subprocess

from drover import (FIRST, LOCAL_GROUP, Agent, Local, case, case_with_both, mode_of, pack, read, run, run_all, tree,
                    write)

SECOND = ["BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop"]


def assert_deployed(box, tool, bundle):
    """The sample is there, its six events ran, and the root looks as tools expect."""
    assert box.events() == FIRST
    assert tree(box.target).keys() == {"index.html", "css", "css/site.css"}
    assert read(os.path.join(box.target, "index.html")) == "<h1>bundle</h1>\n"
    assert sorted(os.listdir(tool.root)) == sorted([tool.group, "deployment-instructions", "deployment-logs"])
    assert os.listdir(os.path.join(tool.root, "deployment-logs")) == ["codedeploy-agent-deployments.log"]
    [deployment] = tool.deployments()
    assert {"logs", "deployment-archive"} <= set(os.listdir(deployment))
    assert sorted(os.listdir(os.path.join(deployment, "deployment-archive"))) == sorted(os.listdir(bundle))
    assert tool.pointer("last_successful_install") == deployment
    assert tool.pointer("most_recent_install") == deployment


# ---- bundles


@case_with_both
def a_directory_is_deployed(box, tool):
    bundle = box.bundle()
    assert len(os.listdir(bundle)) == 6
    tool.deploy(bundle).expect(0)
    assert_deployed(box, tool, bundle)


@case_with_both
def the_second_deployment_stops_the_first_ones_application(box, tool):
    first = box.bundle("first", hooks=None, tag="first:")
    second = box.bundle("second", hooks=None, tag="second:")
    tool.deploy(first).expect(0)
    box.events()
    tool.deploy(second).expect(0)
    assert box.events() == ["first:" + event for event in SECOND] + ["second:" + event for event in FIRST]
    assert len(tool.deployments()) == 2
    assert read(os.path.join(box.target, "index.html")) == "<h1>second</h1>\n"


@case_with_both
def a_bundle_may_be_named_by_a_relative_path(box, tool):
    bundle = box.bundle()
    tool.deploy("bundle", cwd=box.path).expect(0)
    assert_deployed(box, tool, bundle)


@case
def the_bundle_is_the_current_directory_by_default(box):
    bundle = box.bundle()
    run(["codedeploy-local", "-c", box.config], cwd=bundle).expect(0)
    assert_deployed(box, Local(box), bundle)


@case_with_both
def a_zip_is_deployed(box, tool):
    bundle = box.bundle()
    tool.deploy(pack(bundle, box.join("b.zip"), "zip"), "zip").expect(0)
    assert_deployed(box, tool, bundle)


@case_with_both
def a_directory_that_wraps_the_appspec_is_stripped(box, tool):
    bundle = box.bundle()
    tool.deploy(pack(bundle, box.join("b.zip"), "zip", wrap="site-1.0"), "zip").expect(0)
    assert_deployed(box, tool, bundle)


@case_with_both
def a_tgz_is_deployed(box, tool):
    bundle = box.bundle()
    tool.deploy(pack(bundle, box.join("b.tgz"), "tgz"), "tgz").expect(0)
    assert_deployed(box, tool, bundle)


@case_with_both
def a_wrapped_tgz_is_stripped(box, tool):
    bundle = box.bundle()
    tool.deploy(pack(bundle, box.join("b.tgz"), "tgz", wrap="site-1.0"), "tgz").expect(0)
    assert_deployed(box, tool, bundle)


@case_with_both
def a_tar_is_deployed(box, tool):
    bundle = box.bundle()
    tool.deploy(pack(bundle, box.join("b.tar"), "tar"), "tar").expect(0)
    assert_deployed(box, tool, bundle)


def deploy_by_agent(box, kind, named):
    tool = Agent(box)
    bundle = box.bundle()
    tool.deploy(pack(bundle, box.join("bundle-of-unknown-type"), kind), named).expect(0)
    assert_deployed(box, tool, bundle)


@case
def drover_agent_takes_tar_zst(box):
    deploy_by_agent(box, "tar.zst", "tar.zst")


@case
def drover_agent_takes_tar_xz(box):
    deploy_by_agent(box, "tar.xz", "tar.xz")


@case
def drover_agent_finds_out_that_it_is_a_zip(box):
    deploy_by_agent(box, "zip", None)


@case
def drover_agent_finds_out_that_it_is_a_tgz(box):
    deploy_by_agent(box, "tgz", None)


@case
def drover_agent_finds_out_that_it_is_a_tar_zst(box):
    deploy_by_agent(box, "tar.zst", None)


@case_with_both
def the_second_deployment_of_an_archive_replaces_the_first(box, tool):
    for name in ("first", "second"):
        tool.deploy(pack(box.bundle(name), box.join(name + ".zip"), "zip"), "zip").expect(0)
    assert read(os.path.join(box.target, "index.html")) == "<h1>second</h1>\n"
    assert len(tool.deployments()) == 2


# ---- events


@case
def custom_events_run_after_what_must_come_first(box):
    hooks = {event: box.note() for event in [*FIRST, "CustomEvent"]}
    Local(box).deploy(box.bundle(hooks=hooks), events="ApplicationStart,CustomEvent").expect(0)
    assert box.events() == ["ApplicationStart", "CustomEvent"]
    assert os.path.exists(os.path.join(box.target, "index.html"))


def installed_or_not(box):
    """A script that notes its event, and whether the files are installed when it runs."""
    return (f'#!/bin/sh\n[ -e {box.target}/index.html ] && there=after || there=before\n'
            f'echo "$LIFECYCLE_EVENT $there" >>{box.events_file}\n')


@case
def codedeploy_local_puts_install_before_the_events_that_are_named(box):
    hooks = {event: installed_or_not(box) for event in FIRST}
    Local(box).deploy(box.bundle(hooks=hooks), events="BeforeInstall,ApplicationStart").expect(0)
    assert box.events() == ["BeforeInstall after", "ApplicationStart after"]


@case
def codedeploy_local_keeps_the_order_of_the_events_that_are_named(box):
    Local(box).deploy(box.bundle(), events="ValidateService,ApplicationStart,AfterInstall").expect(0)
    assert box.events() == ["ValidateService", "ApplicationStart", "AfterInstall"]


@case
def drover_agent_runs_the_events_that_are_named_in_their_usual_order(box):
    hooks = {event: installed_or_not(box) for event in FIRST}
    Agent(box).deploy(box.bundle(hooks=hooks), events="ApplicationStart,BeforeInstall").expect(0)
    assert box.events() == ["BeforeInstall before", "ApplicationStart after"]


@case
def events_before_the_download_may_be_named(box):
    tool = Local(box)
    tool.deploy(box.bundle("first", tag="first:")).expect(0)
    box.events()
    tool.deploy(box.bundle("second", tag="second:"), events="ApplicationStop,DownloadBundle,Install").expect(0)
    assert box.events() == ["first:ApplicationStop"]
    assert read(os.path.join(box.target, "index.html")) == "<h1>second</h1>\n"


# ---- files that are there already


def conflict(box):
    return write(os.path.join(box.target, "index.html"), "old\n", 0o600)


@case_with_both
def a_file_that_no_deployment_put_there_is_a_conflict(box, tool):
    conflict(box)
    before = tree(box.target)
    tool.deploy(box.bundle()).expect(1, "index.html")
    assert box.events() == ["BeforeInstall"]
    assert tree(box.target) == before


@case_with_both
def overwrite_replaces_it(box, tool):
    path = conflict(box)
    tool.deploy(box.bundle(), behavior="OVERWRITE").expect(0)
    assert read(path) == "<h1>bundle</h1>\n"
    assert box.events() == FIRST


@case_with_both
def retain_keeps_it(box, tool):
    path = conflict(box)
    tool.deploy(box.bundle(), behavior="RETAIN").expect(0)
    assert read(path) == "old\n"
    assert mode_of(path) == 0o600
    assert os.path.exists(os.path.join(box.target, "css/site.css"))


@case_with_both
def the_appspecs_behaviour_wins_over_the_options(box, tool):
    behaviors = [None, "DISALLOW", "OVERWRITE", "RETAIN"]
    for number, (inside, option) in enumerate(itertools.product(behaviors, behaviors)):
        box.target = box.join(f"target-{number}")
        path = conflict(box)
        group = f"group-{number}"
        more = ["-g", group] if isinstance(tool, Local) else ["--group", group]
        result = tool.deploy(box.bundle(f"bundle-{number}", behavior=inside), behavior=option, more=more)
        expected = inside or option or "DISALLOW"
        result.expect(1 if expected == "DISALLOW" else 0)
        content = f"<h1>bundle-{number}</h1>\n" if expected == "OVERWRITE" else "old\n"
        assert read(path) == content, f"appspec {inside}, option {option}: {read(path)!r}"


# ---- the appspec's name


@case_with_both
def the_appspec_may_have_another_name(box, tool):
    tool.deploy(box.bundle(appspec_name="other.yaml"), appspec="other.yaml").expect(0)
    assert box.events() == FIRST


@case_with_both
def a_named_appspec_that_is_not_there_fails(box, tool):
    tool.deploy(box.bundle(), appspec="other.yaml").expect((1, 2), "other.yaml")
    assert box.events() == []
    assert not os.path.exists(box.target)


@case_with_both
def an_appspec_yaml_alone_is_found_by_hooks_too(box, tool):
    tool.deploy(box.bundle(appspec_name="appspec.yaml")).expect(0)
    assert box.events() == FIRST
    tool.deploy(box.bundle("second", appspec_name="appspec.yaml", tag="second:")).expect(0)
    assert box.events() == SECOND + ["second:" + event for event in FIRST]


# ---- wrong input


def assert_refused(box, result, *parts):
    """Exit status 2 with a message on standard error; nothing ran, nothing was installed."""
    result.expect(2, *parts)
    assert result.err.strip(), f"no message: {result}"
    assert box.events() == []
    assert not os.path.exists(box.target)


@case_with_both
def an_unknown_type_is_refused(box, tool):
    assert_refused(box, tool.deploy(box.bundle(), "rar"), "rar")


@case_with_both
def a_location_that_is_not_there_is_refused(box, tool):
    assert_refused(box, tool.deploy(box.join("nothing"), "zip"), "nothing")
    assert_refused(box, tool.deploy(box.join("nothing"), "directory"), "nothing")


@case_with_both
def an_http_location_is_refused(box, tool):
    assert_refused(box, tool.deploy("http://127.0.0.1:9/bundle.zip", "zip"), "http://")


@case_with_both
def a_file_is_no_directory(box, tool):
    assert_refused(box, tool.deploy(write(box.join("file"), "x"), "directory"), "file")


@case_with_both
def a_directory_is_no_archive(box, tool):
    for kind in ("zip", "tar", "tgz"):
        assert_refused(box, tool.deploy(box.bundle("b-" + kind), kind), "b-" + kind)


@case_with_both
def a_directory_without_an_appspec_is_refused(box, tool):
    write(box.join("bare", "index.html"), "x")
    assert_refused(box, tool.deploy(box.join("bare"), "directory"), "appspec.yml")


@case_with_both
def an_archive_without_an_appspec_fails(box, tool):
    write(box.join("bare", "index.html"), "x")
    result = tool.deploy(pack(box.join("bare"), box.join("bare.zip"), "zip"), "zip")
    result.expect((1, 2), "appspec.yml")


@case
def a_configuration_file_that_is_not_there_is_refused(box):
    result = run(["codedeploy-local", "-l", box.bundle(), "-c", box.join("none.yml")])
    assert_refused(box, result, "none.yml")


@case
def an_order_of_events_that_cannot_be_is_refused(box):
    for number, events in enumerate(["Install,DownloadBundle", "DownloadBundle,AfterInstall,Install",
                                     "BeforeInstall,DownloadBundle,Install", "ValidateService,DownloadBundle,Install"]):
        assert_refused(box, Local(box).deploy(box.bundle(f"b{number}"), events=events))


@case_with_both
def an_unknown_event_is_refused_with_the_appspec_that_lacks_it(box, tool):
    result = tool.deploy(box.bundle(), events="ApplicationStart,BeforeBreakfast")
    assert_refused(box, result, "BeforeBreakfast")
    if isinstance(tool, Local):  # for drover-agent no appspec could make it known
        result.expect(2, "appspec")


@case_with_both
def the_behaviour_is_taken_in_any_case_of_letters(box, tool):
    path = conflict(box)
    tool.deploy(box.bundle(), behavior="overwrite").expect(0)
    assert read(path) == "<h1>bundle</h1>\n"


@case_with_both
def an_unknown_behaviour_is_refused_before_anything_runs(box, tool):
    assert_refused(box, tool.deploy(box.bundle(), behavior="WHATEVER"), "WHATEVER")


@case
def an_unknown_option_is_refused(box):
    assert_refused(box, run(["codedeploy-local", "--no-such-option", "-c", box.config], cwd=box.bundle()))
    assert_refused(box, Agent(box).deploy(box.bundle("b2"), more=["--no-such-option"]))


@case
def help_and_version_are_no_failures(_box):
    for argv in (["codedeploy-local", "--help"], ["drover-agent", "--help"], ["drover-agent", "deploy", "--help"]):
        result = run(argv).expect(0)
        assert "deploy" in result.out and not result.err, str(result)
    for argv in (["codedeploy-local", "--version"], ["drover-agent", "--version"]):
        result = run(argv).expect(0)
        assert re.search(r"\d+\.\d+\.\d+", result.out) and not result.err, str(result)


# ---- options with values of their own


@case
def groups_and_names_may_be_given(box):
    script = f'#!/bin/sh\necho "$APPLICATION_NAME/$DEPLOYMENT_GROUP_NAME/$DEPLOYMENT_GROUP_ID" >>{box.events_file}\n'
    bundle = box.bundle(hooks={"AfterInstall": script})
    Local(box).deploy(bundle, more=["-a", "shop", "-d", "prod", "-g", "g-1"]).expect(0)
    assert box.events() == ["shop/prod/g-1"]
    assert "g-1" in os.listdir(box.root)
    assert LOCAL_GROUP not in os.listdir(box.root)


@case
def long_options_are_those_of_aws(box):
    bundle = box.bundle(appspec_name="other.yml")
    archive = pack(bundle, box.join("b.zip"), "zip")
    conflict(box)
    run(["codedeploy-local", "--bundle-location", archive, "--type", "zip", "--file-exists-behavior", "OVERWRITE",
         "--deployment-group", "g", "--deployment-group-name", "G", "--application-name", "A", "--events",
         "AfterInstall", "--agent-configuration-file", box.config, "--appspec-filename", "other.yml"]).expect(0)
    assert box.events() == ["AfterInstall"]
    assert "g" in os.listdir(box.root)


@case
def options_may_be_glued_to_their_values(box):
    run(["codedeploy-local", f"--bundle-location={box.bundle()}", "-tdirectory", f"-c{box.config}"]).expect(0)
    assert box.events() == FIRST


@case
def state_goes_nowhere_else(box):
    """What is given by -c is all that is written; the machine's own state directory is not touched."""
    before = subprocess.run(["ls", "-lAR", "/var/lib/drover", "/opt/codedeploy-agent"], capture_output=True, check=False)
    Local(box).deploy(box.bundle()).expect(0)
    Agent(box).deploy(box.bundle("second", files={"other/x": ""})).expect(0)
    after = subprocess.run(["ls", "-lAR", "/var/lib/drover", "/opt/codedeploy-agent"], capture_output=True, check=False)
    assert before.stdout == after.stdout
    assert set(os.listdir(box.path)) <= {"bundle", "second", "target", "events", "root", "state", "log", "pid",
                                         "codedeployagent.yml"}


if __name__ == "__main__":
    run_all()
