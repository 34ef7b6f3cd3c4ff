#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fleets over TLS: a thousand hosts at once and one at a time, failures that stop and roll back, hosts that lose power,
and hosts that lose answers. What counts is what the hosts saw: nothing twice, nothing lost, and the revision that each
one ends with."""

import droverd
from drover import allow, case, run_all, wait_until

NATIVE = {"kind": "native", "wait_ms": 2, "probe": False}
# Hosts that are silent for seconds are gone, instead of minutes.
SHORT = """
long_poll: 2 s
rollout:
  start_timeout: 3 s
  gone_timeout: 2 s
presence:
  agent: 3 s
  aws_agent: 3 s
  grace: 0 s
"""


def revisions(hosts):
    """host -> the key of the revision whose Install ran there last."""
    return {one["host"]: one["revision"] for one in hosts.of("ran", event="Install") if one["detail"] == "Succeeded"}


def expect_whole(controller, hosts, number, count):
    """Every host of a deployment that succeeded everywhere ran all events once, and says so."""
    info = controller.deployment(number)
    assert info["status"] == "Succeeded", info
    assert info["deploymentOverview"] == {"Pending": 0, "InProgress": 0, "Succeeded": count, "Failed": 0,
                                          "Skipped": 0, "Ready": 0}, info
    hosts.wait(lambda it: sum(map(len, it.ran(number).values())) == 7 * count)
    hosts.expect_once()
    assert droverd.statuses(controller.targets(number)) == {"Succeeded": count}


def thousand(box, config, seconds):
    allow(seconds + 120)
    scenario = {"seed": 1, "manners": [{**NATIVE, "start_ms": [0, 3000]}], "rules": [{"delay_ms": [0, 3]}]}
    with droverd.Droverd(box) as controller, controller.web_fleet(1000, scenario) as hosts:
        controller.group(config=config)
        number = controller.deploy()
        controller.wait(number, seconds)
        expect_whole(controller, hosts, number, 1000)
        summary = hosts.stop()
        assert summary["succeeded"] == 7000 and summary["failed"] == 0, summary
        assert summary["wrongly_signed"] == summary["undated_answers"] == summary["refused"] == 0, summary
        info = controller.deployment(number)
        print(f"# 7,000 events in {info['completeTime'] - info['startTime']:.1f} s")


@case
def a_thousand_hosts_all_at_once(box):
    thousand(box, "CodeDeployDefault.AllAtOnce", 120)


@case
def a_thousand_hosts_one_at_a_time(box):
    thousand(box, "CodeDeployDefault.OneAtATime", 240)


@case
def a_thousand_hosts_come_back_after_a_restart_in_the_middle(box):
    allow(300)
    scenario = {"manners": [{**NATIVE, "kind": "drover"}], "rules": [{"delay_ms": [0, 50]}]}
    with droverd.Droverd(box) as controller, controller.web_fleet(1000, scenario) as hosts:
        controller.group(config="CodeDeployDefault.HalfAtATime")
        number = controller.deploy()
        hosts.wait(lambda it: len(it.of("ran", event="Install")) > 100)
        controller.stop()
        controller.start()
        controller.wait(number, 200)
        expect_whole(controller, hosts, number, 1000)


@case
def failing_hosts_stop_the_rollout_and_it_rolls_back(box):
    scenario = {"manners": [NATIVE], "rules": [
        {"revisions": "shop/bad*", "events": "AfterInstall", "result": "fail", "code": 4, "delay_ms": 20}]}
    with droverd.Droverd(box) as controller, controller.web_fleet(20, scenario) as hosts:
        controller.group(config="CodeDeployDefault.HalfAtATime",
                         autoRollbackConfiguration={"enabled": True, "events": ["DEPLOYMENT_FAILURE"]})
        controller.wait(controller.deploy(revision="shop/1.tgz"))
        bad = controller.deploy(revision="shop/bad.tgz")
        info = controller.wait(bad)
        assert info["status"] == "Failed" and info["errorInformation"]["code"] == "HEALTH_CONSTRAINTS", info
        tried = set(hosts.ran(bad))
        assert 0 < len(tried) <= 10, f"{len(tried)} hosts were tried"
        found = droverd.statuses(controller.targets(bad))
        assert found.get("Failed") == len(tried) and found.get("Skipped") == 20 - len(tried), found
        assert wait_until(lambda: controller.deployment(bad)["rollbackInfo"].get("rollbackDeploymentId"), 20)
        back = controller.deployment(bad)["rollbackInfo"]["rollbackDeploymentId"]
        info = controller.wait(back)
        assert info["status"] == "Succeeded" and info["creator"] == "codeDeployRollback", info
        hosts.wait(lambda it: set(revisions(it).values()) == {"shop/1.tgz"})
        assert set(hosts.ran(back)) == tried, "a rollback touches those that took or tried the bad revision"
        hosts.expect_once()


@case
def ten_hosts_with_a_power_cut_at_the_fifth_end_with_nine_on_the_old_revision(box):
    allow(180)
    with droverd.Droverd(box, SHORT) as controller, controller.web_fleet(10, {"manners": [NATIVE]}) as hosts:
        controller.group(config="CodeDeployDefault.OneAtATime",
                         autoRollbackConfiguration={"enabled": True, "events": ["DEPLOYMENT_FAILURE"]})
        controller.wait(controller.deploy(revision="shop/old.tgz", deploymentConfigName="CodeDeployDefault.AllAtOnce"))
        hosts.tell({"manners": [NATIVE], "rules": [{"events": "BeforeInstall", "delay_ms": 400}]})
        new = controller.deploy(revision="shop/new.tgz")

        def fifth(it):
            done = {one["host"] for one in it.of("completed", event="ValidateService", deployment=new)}
            begun = {one["host"] for one in it.of("started", event="BeforeInstall", deployment=new)} - done
            return begun.pop() if len(done) == 4 and begun else None

        hosts.wait(fifth)
        lost = fifth(hosts)
        hosts.tell({"manners": [NATIVE], "timeline": [{"hosts": lost, "at_ms": 0, "do": "crash", "silent": True}]})
        info = controller.wait(new, 90)
        assert info["status"] == "Failed", info
        targets = controller.targets(new)
        assert droverd.statuses(targets) == {"Succeeded": 4, "Failed": 1, "Skipped": 5}, droverd.statuses(targets)
        failed = [event for event in targets[lost]["lifecycleEvents"] if event["status"] == "Failed"]
        assert failed and failed[0]["diagnostics"]["errorCode"] == "UnknownError", "gone is not a script's failure"
        assert wait_until(lambda: controller.deployment(new)["rollbackInfo"].get("rollbackDeploymentId"), 30)
        back = controller.deployment(new)["rollbackInfo"]["rollbackDeploymentId"]
        assert controller.wait(back, 90)["status"] == "Succeeded"
        now = revisions(hosts)
        assert [host for host, key in now.items() if key != "shop/old.tgz" and host != lost] == [], now
        assert sum(key == "shop/old.tgz" for host, key in now.items() if host != lost) == 9, now
        hosts.expect_once()


@case
def hosts_that_lose_answers_and_restart_do_nothing_twice(box):
    allow(240)
    scenario = {
        "seed": 3,
        "manners": [NATIVE, {"hosts": "web-00[0-9][0-9][0-4]", "kind": "ruby"},
                    {"hosts": "web-00[0-9][0-9][89]", "kind": "drover"}, {"hosts": "web-00[0-9]1?", "lose_polls": 2}],
        "rules": [{"delay_ms": [0, 10]},
                  {"hosts": "web-00[0-9][0-9][0-4]", "events": ["Install", "AfterInstall"],
                   "lose": ["ack", "complete"], "times": 2},
                  {"hosts": "web-00[0-9][0-9][89]", "events": "Install", "crash": "after-ack", "return_ms": 300,
                   "times": 1},
                  {"hosts": "web-00[0-9][0-9][89]", "events": "AfterInstall", "crash": "before-complete",
                   "return_ms": 300, "times": 1},
                  {"hosts": "web-00[0-9][0-9][7]", "events": "BeforeInstall", "crash": "before-ack", "return_ms": 200,
                   "times": 1},
                  {"hosts": "web-00[0-9][0-9][3]", "events": "ValidateService", "garbage": "form"}]}
    patient = SHORT.replace("start_timeout: 3 s", "start_timeout: 30 s")  # a lost answer is repeated after 5 s
    with droverd.Droverd(box, patient) as controller, controller.web_fleet(100, scenario) as hosts:
        controller.group(config="CodeDeployDefault.AllAtOnce")
        number = controller.deploy()
        controller.wait(number, 120)
        expect_whole(controller, hosts, number, 100)


run_all(droverd.needs)
