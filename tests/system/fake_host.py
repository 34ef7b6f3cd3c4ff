#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The simulated hosts themselves: that they say what AWS's agents say, when they say it, before anything is measured
or judged by them. The other side is fake_controller.py."""

import json
import shutil
import subprocess

from drover import ASAN, Skip, case, run_all, wait_until
from fake_controller import Controller, certificate, credentials_file, diagnostics, specification
from fleet import Fleet, program, setup

RUBY = {"kind": "ruby", "wait_ms": 5, "probe": False}
NATIVE = {"kind": "native", "wait_ms": 5, "probe": False}
DROVER = {"kind": "drover", "wait_ms": 5}


def fleet(box, controller, manner, *rules, **more):
    return Fleet(box, controller.endpoint, controller.ca, controller.hosts_path,
                 {"manners": [manner], "rules": list(rules), **more})


def operations(controller, host="host-1"):
    """What a host said, polls left out."""
    return [one.operation for one in controller.requests if one.host == host and one.operation != "PollHostCommand"]


@case
def a_command_goes_through_its_four_calls_in_order(box):
    with Controller(box, 1) as controller, fleet(box, controller, RUBY) as hosts:
        execution = controller.publish("d-AAAAAAAA1")
        controller.queue("host-1", execution, "Install", "c1")
        hosts.wait(lambda fleet: fleet.of("completed"))
        done = controller.await_calls("PutHostCommandComplete", 1)
        assert operations(controller) == ["GetDeploymentSpecification", "PutHostCommandAcknowledgement",
                                          "PutHostCommandComplete"]
        assert done[0].body["CommandStatus"] == "Succeeded"
        assert diagnostics(done[0]) == {"error_code": 0, "script_name": "", "message": "Succeeded: ", "log": ""}
        assert done[0].headers["x-amz-codedeploy-agent-version"] == "OFFICIAL_1.8.1-0_deb"
        summary = hosts.stop()
        assert summary["succeeded"] == 1 and summary["failed"] == 0
        assert hosts.ran("d-AAAAAAAA1") == {"host-1": ["Install"]}
        assert not controller.mistakes, controller.mistakes


@case
def polling_goes_on_while_a_command_runs(box):
    with Controller(box, 1) as controller, fleet(box, controller, RUBY, {"delay_ms": 600}):
        execution = controller.publish("d-AAAAAAAA1")
        controller.queue("host-1", execution, "Install", "c1")
        controller.await_calls("PutHostCommandAcknowledgement", 1)
        polls = len(controller.of("PollHostCommand"))
        controller.queue("host-1", execution, "AfterInstall", "c2")
        controller.await_calls("PutHostCommandAcknowledgement", 2)
        assert len(controller.of("PollHostCommand")) >= polls
        assert not controller.of("PutHostCommandComplete"), "the first should still run"


@case
def the_ruby_agent_reports_a_failed_script_twice(box):
    rule = {"events": "AfterInstall", "result": "fail", "code": 4, "script": "s.sh", "message": "exit 3", "log": "tail"}
    with Controller(box, 1) as controller, fleet(box, controller, RUBY, rule) as hosts:
        controller.queue("host-1", controller.publish("d-AAAAAAAA1"), "AfterInstall", "c1")
        first, second = controller.await_calls("PutHostCommandComplete", 2)
        assert first.body["CommandStatus"] == second.body["CommandStatus"] == "Failed"
        assert diagnostics(first) == {"error_code": 4, "script_name": "s.sh", "message": "exit 3", "log": "tail"}
        assert diagnostics(second) == {"error_code": 5, "script_name": "", "message": "exit 3", "log": ""}
        hosts.wait(lambda fleet: len(fleet.of("completed")) == 2)
        assert hosts.stop()["failed"] == 1


@case
def the_native_agent_reports_a_failed_script_once(box):
    with Controller(box, 1) as controller, fleet(box, controller, NATIVE, {"result": "fail"}) as hosts:
        controller.queue("host-1", controller.publish("d-AAAAAAAA1"), "Install", "c1")
        controller.await_calls("PutHostCommandComplete", 1)
        hosts.wait(lambda fleet: fleet.of("completed"))
        hosts.stop()
        assert len(controller.of("PutHostCommandComplete")) == 1


@case
def a_stop_without_a_bundle_is_a_noop_of_the_ruby_agent_only(box):
    for manner, expected in ((RUBY, True), (NATIVE, False)):
        with Controller(box, 1) as controller, fleet(box, controller, manner):
            controller.queue("host-1", controller.publish("d-AAAAAAAA1"), "ApplicationStop", "c1")
            said = controller.await_calls("PutHostCommandAcknowledgement", 1)[0]
            assert json.loads(said.body["Diagnostics"]["Payload"]) == {"IsCommandNoop": expected}


@case
def a_specification_changed_after_signing_runs_on_the_ruby_agent_only(box):
    import base64
    def tamper(payload):
        raw = base64.b64decode("".join(payload.splitlines()[1:-1])).replace(b'"web"', b'"WEB"')
        return "-----BEGIN PKCS7-----\n" + base64.encodebytes(raw).decode() + "-----END PKCS7-----\n"
    for manner, runs in ((RUBY, 1), (NATIVE, 0)):
        with Controller(box, 1) as controller, fleet(box, controller, manner) as hosts:
            controller.queue("host-1", controller.publish("d-AAAAAAAA1", tamper=tamper), "Install", "c1")
            hosts.wait(lambda fleet: fleet.of("ran") or fleet.of("early-failure"))
            summary = hosts.stop()
            assert summary["wrongly_signed"] == 1 and len(hosts.of("ran")) == runs
            assert (len(controller.of("PutHostCommandComplete")) >= 1) == (runs == 1)


@case
def a_specification_of_an_unrelated_signer_is_accepted_as_agents_do(box):
    key, cert = certificate(box, "stranger")
    with Controller(box, 1) as controller, fleet(box, controller, NATIVE):
        controller.queue("host-1", controller.publish("d-AAAAAAAA1", key=key, cert=cert), "Install", "c1")
        assert controller.await_calls("PutHostCommandComplete", 1)[0].body["CommandStatus"] == "Succeeded"


@case
def a_specification_without_a_needed_member_fails_before_the_acknowledgement(box):
    whole = specification("d-AAAAAAAA1")
    broken = [{**whole, name: None} for name in ("DeploymentGroupId", "DeploymentGroupName", "ApplicationName",
                                                  "Revision")]
    broken += [{**whole, "DeploymentId": ""}, {**whole, "DeploymentCreator": 7},
               {**whole, "AllPossibleLifecycleEvents": ["Install"]},
               {**whole, "Revision": {"RevisionType": "S3", "S3Revision": {"Bucket": "b", "Key": "k"}}},
               {**whole, "Revision": {"RevisionType": "Floppy"}}]
    with Controller(box, 1) as controller, fleet(box, controller, RUBY) as hosts:
        for number, content in enumerate(broken):
            controller.queue("host-1", controller.publish(f"d-AAAAAAAA{number}", content=content), "Install",
                             f"c{number}")
        done = controller.await_calls("PutHostCommandComplete", len(broken))
        assert all(diagnostics(one)["error_code"] == 5 for one in done)
        hosts.stop()
        assert not controller.of("PutHostCommandAcknowledgement") and not hosts.of("ran")


@case
def an_acknowledgement_answered_succeeded_ends_the_command_silently(box):
    with Controller(box, 1) as controller, fleet(box, controller, RUBY) as hosts:
        controller.acknowledgement = "Succeeded"
        controller.queue("host-1", controller.publish("d-AAAAAAAA1"), "Install", "c1")
        hosts.wait(lambda fleet: fleet.of("acknowledged"))
        hosts.stop()
        assert not hosts.of("started") and not controller.of("PutHostCommandComplete")


@case
def an_acknowledgement_answered_failed_completes_a_noop_and_nothing_else(box):
    with Controller(box, 1) as controller, fleet(box, controller, RUBY) as hosts:
        controller.acknowledgement = "Failed"
        execution = controller.publish("d-AAAAAAAA1")
        controller.queue("host-1", execution, "Install", "c1")
        controller.await_calls("GetDeploymentSpecification", 2)
        controller.queue("host-1", execution, "ApplicationStop", "c2")
        done = controller.await_calls("PutHostCommandComplete", 1)
        assert done[0].body["HostCommandIdentifier"] == "c2"
        assert diagnostics(done[0])["message"] == "Succeeded: CompletedNoopCommand"
        hosts.stop()
        assert not hosts.of("started") and len(controller.of("GetDeploymentSpecification")) == 4


@case
def a_command_for_another_host_or_without_a_name_is_dropped(box):
    with Controller(box, 1) as controller, fleet(box, controller, RUBY) as hosts:
        execution = controller.publish("d-AAAAAAAA1")
        controller.queue("host-1", execution, "Install", "c1", HostIdentifier="arn:other")
        controller.queue("host-1", execution, "Install", "c2", CommandName=None)
        hosts.wait(lambda fleet: len(fleet.of("malformed")) == 2)
        hosts.stop()
        assert operations(controller) == []


@case
def the_ruby_agent_repeats_after_errors_of_the_server_at_its_pace(box):
    with Controller(box, 1) as controller, fleet(box, controller, RUBY):
        controller.refusals.extend([("PutHostCommandAcknowledgement", 500, "ServerException")] * 2)
        controller.refusals.append(("GetDeploymentSpecification", 400, "ThrottlingException"))
        controller.queue("host-1", controller.publish("d-AAAAAAAA1"), "Install", "c1")
        controller.await_calls("PutHostCommandComplete", 1)
        times = [one.at for one in controller.of("PutHostCommandAcknowledgement")]
        assert len(times) == 3
        assert 0.25 < times[1] - times[0] < 0.5 and 0.55 < times[2] - times[1] < 0.9, times


@case
def the_native_agent_repeats_only_when_told_to_slow_down(box):
    with Controller(box, 1) as controller, fleet(box, controller, NATIVE) as hosts:
        controller.refusals.append(("PutHostCommandAcknowledgement", 429, "TooManyRequestsException"))
        controller.refusals.append(("PutHostCommandComplete", 500, "ServerException"))
        controller.queue("host-1", controller.publish("d-AAAAAAAA1"), "Install", "c1")
        hosts.wait(lambda fleet: fleet.of("not-reported"))
        times = [one.at for one in controller.of("PutHostCommandAcknowledgement")]
        assert len(times) == 2 and 0.95 < times[1] - times[0] < 1.6, times
        hosts.stop()
        assert len(controller.of("PutHostCommandComplete")) == 1


@case
def a_refused_poll_is_followed_by_the_agents_back_off(box):
    with Controller(box, 1) as controller, fleet(box, controller, RUBY) as hosts:
        controller.refusals.append(("PollHostCommand", 400, "ClientException"))
        controller.park_seconds = 0.1
        hosts.wait(lambda fleet: fleet.of("poll-failed"))
        assert wait_until(lambda: len(controller.of("PollHostCommand")) >= 3, 15)
        times = [one.at for one in controller.of("PollHostCommand")]
        failed = next(i for i in range(len(times) - 1) if times[i + 1] - times[i] > 5)
        assert 8.9 < times[failed + 1] - times[failed] < 10.5, times


@case
def a_lost_answer_to_a_completion_is_sent_again_without_running_again(box):
    with Controller(box, 1) as controller, fleet(box, controller, RUBY, {"lose": ["ack", "complete"]}) as hosts:
        controller.queue("host-1", controller.publish("d-AAAAAAAA1"), "Install", "c1")
        done = controller.await_calls("PutHostCommandComplete", 2)
        assert done[0].body == done[1].body and len(controller.of("PutHostCommandAcknowledgement")) == 2
        hosts.wait(lambda fleet: fleet.of("completed"))
        assert len(hosts.of("ran")) == 1


@case
def a_crash_after_the_acknowledgement_is_reported_before_the_first_poll(box):
    for manner in (RUBY, NATIVE):
        rule = {"crash": "after-ack", "return_ms": 200, "times": 1}
        with Controller(box, 1) as controller, fleet(box, controller, manner, rule) as hosts:
            controller.queue("host-1", controller.publish("d-AAAAAAAA1"), "Install", "c1")
            done = controller.await_calls("PutHostCommandComplete", 1)
            assert diagnostics(done[0])["error_code"] == 7 and done[0].body["HostCommandIdentifier"] == "c1"
            before = [one.operation for one in controller.requests]
            assert before[before.index("PutHostCommandAcknowledgement") + 1:][:1] in (
                ["PollHostCommand"], ["PutHostCommandComplete"])
            hosts.stop()
            assert not hosts.of("ran") and [one["what"] for one in hosts.read() if one["what"] in (
                "crashed", "returned")] == ["crashed", "returned"]


@case
def a_crash_before_the_acknowledgement_leaves_nothing_to_report(box):
    with Controller(box, 1) as controller, \
            fleet(box, controller, RUBY, {"crash": "before-ack", "return_ms": 100, "times": 1}) as hosts:
        execution = controller.publish("d-AAAAAAAA1")
        controller.queue("host-1", execution, "Install", "c1")
        hosts.wait(lambda fleet: fleet.of("returned"))
        controller.queue("host-1", execution, "Install", "c2")
        done = controller.await_calls("PutHostCommandComplete", 1)
        assert [one.body["HostCommandIdentifier"] for one in done] == ["c2"]


@case
def our_agent_goes_on_after_a_crash_and_runs_nothing_twice(box):
    rules = [{"events": event, "crash": point, "return_ms": 100, "times": 1} for event, point in (
        ("Install", "after-ack"), ("AfterInstall", "before-complete"), ("ApplicationStart", "after-complete"))]
    with Controller(box, 1) as controller, fleet(box, controller, DROVER, *rules) as hosts:
        execution = controller.publish("d-AAAAAAAA1")
        for number, event in enumerate(("Install", "AfterInstall", "ApplicationStart", "ValidateService")):
            controller.queue("host-1", execution, event, f"c{number}")
            hosts.wait(lambda fleet, event=event: fleet.of("completed", event=event))
            controller.queue("host-1", execution, event, f"c{number}")  # delivered again, as after a lost answer
            hosts.wait(lambda fleet, event=event: len(fleet.of("completed", event=event)) >= 2)
        assert [one["event"] for one in hosts.of("ran")] == ["Install", "AfterInstall", "ApplicationStart",
                                                              "ValidateService"]
        assert all(one.body["CommandStatus"] == "Succeeded" for one in controller.of("PutHostCommandComplete"))


@case
def our_agent_fetches_an_order_once_a_deployment_and_takes_the_next_command_with_the_answer(box):
    with Controller(box, 1) as controller:
        execution = controller.publish("d-AAAAAAAA1")
        for number, event in enumerate(("DownloadBundle", "BeforeInstall", "Install")):
            controller.queue("host-1", execution, event, f"c{number}")
        controller.chains = True
        with fleet(box, controller, DROVER) as hosts:
            controller.await_calls("PutHostCommandComplete", 3)
            hosts.wait(lambda fleet: len(fleet.of("completed")) == 3)
            hosts.stop()
        said = [one.operation for one in controller.requests]
        assert said[:8] == ["PollHostCommand", "GetDeploymentSpecification", *[
            "PutHostCommandAcknowledgement", "PutHostCommandComplete"] * 3], said
        assert all(one.headers["x-drover-agent"] == "1" for one in controller.requests)
        assert "x-drover-agent" in controller.requests[0].headers["authorization"]


@case
def our_agent_refuses_an_order_that_is_not_its_own(box):
    wrong = ({"HostIdentifier": "arn:aws:iam::000000000000:user/host-2"}, {"Order": "us-east-1/0/d-B/1"},
             {"NotAfter": 1}, {"Events": ["Install"]}, {"Sequence": 0})
    with Controller(box, 1) as controller, fleet(box, controller, DROVER) as hosts:
        for number, binding in enumerate(wrong):
            controller.binding = binding
            controller.queue("host-1", controller.publish(f"d-AAAAAAAA{number}"), "AfterInstall", f"c{number}")
            controller.await_calls("PutHostCommandComplete", number + 1)
        hosts.stop()
        assert not hosts.of("started") and len(hosts.of("early-failure")) == len(wrong), hosts.of("early-failure")


@case
def a_lost_power_cord_leaves_connections_open(box):
    with Controller(box, 1) as controller, fleet(box, controller, NATIVE) as hosts:
        controller.await_calls("PollHostCommand", 1)
        hosts.tell({"manners": [NATIVE], "timeline": [
            {"hosts": "host-1", "at_ms": 0, "do": "crash", "silent": True, "return_ms": 500}]})
        hosts.wait(lambda fleet: fleet.of("crashed"))
        controller.queue("host-1", controller.publish("d-AAAAAAAA1"), "Install", "c1")
        hosts.wait(lambda fleet: fleet.of("returned"))
        controller.await_calls("PollHostCommand", 2)
        assert not hosts.of("delivered"), "the first was sent to a host that was off"


@case
def an_answer_to_a_poll_can_be_lost(box):
    with Controller(box, 1) as controller, fleet(box, controller, {**NATIVE, "lose_polls": 1}) as hosts:
        execution = controller.publish("d-AAAAAAAA1")
        controller.queue("host-1", execution, "Install", "c1")
        hosts.wait(lambda fleet: fleet.of("poll-lost"))
        controller.queue("host-1", execution, "Install", "c2")
        controller.await_calls("PutHostCommandComplete", 1)
        hosts.stop()
        assert [one["command"] for one in hosts.of("ran")] == ["c2"]


@case
def garbage_is_sent_beside_the_protocol(box):
    for form in ("bytes", "json", "form"):
        with Controller(box, 1) as controller, fleet(box, controller, RUBY, {"garbage": form}):
            controller.queue("host-1", controller.publish("d-AAAAAAAA1"), "Install", "c1")
            controller.await_calls("PutHostCommandComplete", 1)
            assert wait_until(lambda: len(controller.mistakes) >= (form != "bytes")), form


@case
def starts_look_at_the_certificate_once(box):
    with Controller(box, 3) as controller, fleet(box, controller, {**RUBY, "probe": True}):
        controller.await_calls("PollHostCommand", 3)
        assert controller.probes == 3


@case
def a_server_of_another_authority_is_refused(box):
    _, other = certificate(box, "other")
    with Controller(box, 1) as controller:
        with Fleet(box, controller.endpoint, other, controller.hosts_path) as hosts:
            hosts.wait(lambda fleet: fleet.of("poll-failed"))
            assert "certificate" in hosts.of("poll-failed")[0]["detail"], hosts.of("poll-failed")[0]
        assert not controller.requests


@case
def three_hundred_hosts_resume_their_sessions_and_finish(box):
    with Controller(box, 300) as controller:
        with Fleet(box, controller.endpoint, controller.ca, controller.hosts_path, {
                "seed": 7, "manners": [{"kind": "native", "wait_ms": 1, "probe": False, "start_ms": [0, 500]},
                                       {"hosts": "host-*7", "auth_policy": True}],
                "rules": [{"delay_ms": [0, 20]}]}) as hosts:
            execution = controller.publish("d-AAAAAAAA1")
            for number in range(1, 301):
                controller.queue(f"host-{number}", execution, "Install", f"c{number}")
            hosts.wait(lambda fleet: len(fleet.of("completed")) == 300, 60)
            summary = hosts.stop()
        assert summary["succeeded"] == 300 and not controller.mistakes, controller.mistakes
        assert summary["resumed"] > 100, summary
        assert ASAN or summary["bytes_per_host"] < 64 * 1024, summary
        secure = [one for one in controller.requests if one.headers["x-amz-target"].startswith(
            "CodeDeployCommandService.")]
        assert secure and all(one.host.endswith("7") for one in secure)


@case
def setup_makes_keys_and_registers_and_tags_every_host(box):
    with Controller(box, 0) as controller:
        out = box.join("made")
        setup(controller.endpoint, controller.ca, credentials_file(box), out, 120, tags=[("role", "web"), ("a", "")])
        with open(out, encoding="utf-8") as file:
            made = [json.loads(line) for line in file]
        assert sorted(one["name"] for one in made) == [f"host-{i:05}" for i in range(1, 121)]
        assert len(controller.of("RegisterOnPremisesInstance")) == 120
        tagged = [name for one in controller.of("AddTagsToOnPremisesInstances") for name in one.body["instanceNames"]]
        assert sorted(tagged) == sorted(one["name"] for one in made)
        last = max(one.at for one in controller.of("RegisterOnPremisesInstance"))
        assert all(one.at >= last for one in controller.of("AddTagsToOnPremisesInstances"))
        assert not controller.mistakes, controller.mistakes


@case
def a_scenario_with_a_mistake_is_refused_with_its_place(box):
    box_hosts = box.join("h")
    with open(box_hosts, "w", encoding="utf-8") as file:
        file.write('{"name": "a", "arn": "b", "accessKeyId": "c", "secretAccessKey": "d"}\n')
    for scenario, words in (({"rules": [{"reslut": "fail"}]}, "rule 1: there is no member 'reslut' here"),
                            ({"rules": [{"crash": "sometimes"}]}, "rule 1: crash cannot be 'sometimes'"),
                            ({"manners": [{"kind": "perl"}]}, "there is no kind 'perl' of host"),
                            ({"timeline": [{"do": "crash"}]}, "timeline entry 1: needs at_ms")):
        path = box.join("s")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(scenario, file)
        done = subprocess.run([program(), "run", "--endpoint", "https://127.0.0.1:1", "--hosts", box_hosts,
                               "--scenario", path], capture_output=True, text=True, timeout=10, check=False)
        assert done.returncode == 1 and words in done.stderr, done.stderr


def needs():
    if not shutil.which("openssl"):
        raise Skip("needs openssl(1)")
    program()


run_all(needs)
