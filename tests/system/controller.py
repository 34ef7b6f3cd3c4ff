#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole deployments by the stock AWS command line and by boto3, on simulated hosts: what an administrator types, what
comes back, and that it comes back as AWS's clients want it."""

import json
import re
import time

import droverd
import fleet
from drover import Skip, case, run_all, wait_until

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
DEPLOYMENT = re.compile(r"d-[A-Z0-9]{9}\Z")
FILTER = "Key=role,Value=web,Type=KEY_AND_VALUE"
SLOW = {"manners": [{"kind": "native", "wait_ms": 5, "probe": False}],
        "rules": [{"events": "Install", "delay_ms": 1500}]}


def location(key):
    return f"bucket=bundles,key={key},bundleType=tgz,eTag=9bb58f26192e4ba00f01e2e7b136bbd8"


def create(controller, key, *more):
    made = controller.aws("create-deployment", "--application-name", "shop", "--deployment-group-name", "prod",
                          "--s3-location", location(key), *more)
    assert DEPLOYMENT.match(made["deploymentId"]), made
    return made["deploymentId"]


def make_shop(controller, *more):
    """An application, a configuration and a group over role=web, as one types them."""
    made = controller.aws("create-application", "--application-name", "shop", "--compute-platform", "Server")
    assert UUID.match(made["applicationId"]), made
    made = controller.aws("create-deployment-config", "--deployment-config-name", "two-stay",
                          "--minimum-healthy-hosts", "type=HOST_COUNT,value=2")
    assert UUID.match(made["deploymentConfigId"]), made
    made = controller.aws("create-deployment-group", "--application-name", "shop", "--deployment-group-name", "prod",
                          "--deployment-config-name", "two-stay", "--service-role-arn", droverd.ROLE,
                          "--on-premises-instance-tag-filters", FILTER, *more)
    assert UUID.match(made["deploymentGroupId"]), made


@case
def one_deployment_from_the_first_command_to_the_last(box):
    with droverd.Droverd(box) as controller, controller.web_fleet(4) as hosts:
        aws = controller.aws
        # One of the hosts is registered and tagged by hand.
        aws("deregister-on-premises-instance", "--instance-name", "web-00004")
        assert aws("register-on-premises-instance", "--instance-name", "web-00004", "--iam-user-arn",
                   "arn:aws:iam::000000000000:user/web-00004") == {}
        assert aws("add-tags-to-on-premises-instances", "--instance-names", "web-00004", "--tags",
                   "Key=role,Value=web", "Key=rack,Value=b") == {}
        info = aws("get-on-premises-instance", "--instance-name", "web-00004")["instanceInfo"]
        assert info["iamUserArn"] == "arn:aws:iam::000000000000:user/web-00004"
        assert {"Key": "rack", "Value": "b"} in info["tags"] and "registerTime" in info
        make_shop(controller)
        number = create(controller, "shop/1.tgz", "--description", "release 1", "--file-exists-behavior", "OVERWRITE")
        controller.wait(number)
        check_description(controller, number)
        check_targets(controller, number)
        check_lists(controller, number)
        hosts.expect_once()
        hosts.wait(lambda it: all(len(it.ran(number)[f"web-{i:05}"]) == 7 for i in range(1, 5)))
        assert all(events == fleet.EVENTS for events in hosts.ran(number).values())


def check_description(controller, number):
    info = controller.aws("get-deployment", "--deployment-id", number)["deploymentInfo"]
    expected = {
        "applicationName": "shop", "deploymentGroupName": "prod", "deploymentConfigName": "two-stay",
        "deploymentId": number, "status": "Succeeded", "description": "release 1", "creator": "user",
        "computePlatform": "Server", "fileExistsBehavior": "OVERWRITE", "ignoreApplicationStopFailures": False,
        "updateOutdatedInstancesOnly": False, "instanceTerminationWaitTimeStarted": False, "rollbackInfo": {},
        "deploymentOverview": {"Pending": 0, "InProgress": 0, "Succeeded": 4, "Failed": 0, "Skipped": 0, "Ready": 0},
        "deploymentStyle": {"deploymentType": "IN_PLACE", "deploymentOption": "WITHOUT_TRAFFIC_CONTROL"},
        "revision": {"revisionType": "S3", "s3Location": {
            "bucket": "bundles", "key": "shop/1.tgz", "bundleType": "tgz",
            "eTag": "9bb58f26192e4ba00f01e2e7b136bbd8"}}}
    for name, value in expected.items():
        assert info.get(name) == value, f"{name} is {info.get(name)!r}, not {value!r}"
    assert "errorInformation" not in info
    assert info["createTime"] <= info["startTime"] <= info["completeTime"], info


def check_targets(controller, number):
    aws = controller.aws
    names = [f"web-{i:05}" for i in range(1, 5)]
    assert sorted(aws("list-deployment-targets", "--deployment-id", number)["targetIds"]) == names
    assert aws("list-deployment-targets", "--deployment-id", number, "--target-filters",
               {"TargetStatus": ["Failed"]})["targetIds"] == []
    batch = aws("batch-get-deployment-targets", "--deployment-id", number, "--target-ids", *names)
    found = {one["instanceTarget"]["targetId"]: one["instanceTarget"] for one in batch["deploymentTargets"]}
    assert sorted(found) == names
    single = aws("get-deployment-target", "--deployment-id", number, "--target-id", names[0])["deploymentTarget"]
    assert single["deploymentTargetType"] == "InstanceTarget" and single["instanceTarget"] == found[names[0]]
    assert found[names[0]]["targetArn"] == f"arn:aws:codedeploy:local:000000000000:instance/{names[0]}"
    for target in found.values():
        assert target["status"] == "Succeeded"
        assert [event["lifecycleEventName"] for event in target["lifecycleEvents"]] == fleet.EVENTS
        for event in target["lifecycleEvents"]:
            assert event["status"] == "Succeeded" and event["startTime"] <= event["endTime"], event
            assert event["diagnostics"]["errorCode"] == "Success", event
            assert event["diagnostics"]["scriptName"] == event["diagnostics"]["logTail"] == "", event
    # The older forms, which scripts still call.
    assert sorted(aws("list-deployment-instances", "--deployment-id", number)["instancesList"]) == names
    summary = aws("get-deployment-instance", "--deployment-id", number, "--instance-id", names[1])["instanceSummary"]
    assert summary["instanceId"] == names[1] and summary["status"] == "Succeeded"
    older = aws("batch-get-deployment-instances", "--deployment-id", number, "--instance-ids", *names)
    assert len(older["instancesSummary"]) == 4


def check_lists(controller, number):
    aws = controller.aws
    assert aws("list-deployments")["deployments"] == [number]
    assert aws("list-deployments", "--application-name", "shop", "--deployment-group-name", "prod",
               "--include-only-statuses", "Succeeded")["deployments"] == [number]
    assert aws("list-deployments", "--include-only-statuses", "Failed", "Stopped")["deployments"] == []
    assert aws("batch-get-deployments", "--deployment-ids", number)["deploymentsInfo"][0]["deploymentId"] == number
    group = aws("get-deployment-group", "--application-name", "shop", "--deployment-group-name",
                "prod")["deploymentGroupInfo"]
    assert group["lastSuccessfulDeployment"]["deploymentId"] == number, group
    assert group["targetRevision"]["s3Location"]["key"] == "shop/1.tgz", group
    assert aws("list-deployment-groups", "--application-name", "shop")["deploymentGroups"] == ["prod"]
    assert aws("list-applications")["applications"] == ["shop"]
    assert "CodeDeployDefault.OneAtATime" in aws("list-deployment-configs")["deploymentConfigsList"]
    revisions = aws("list-application-revisions", "--application-name", "shop", "--deployed", "include")["revisions"]
    assert [one["s3Location"]["key"] for one in revisions] == ["shop/1.tgz"], revisions
    one = aws("get-application-revision", "--application-name", "shop", "--s3-location", location("shop/1.tgz"))
    assert one["revisionInfo"]["deploymentGroups"] == ["prod"] and "lastUsedTime" in one["revisionInfo"], one


@case
def the_waiter_of_the_command_line_ends_with_the_deployment(box):
    with droverd.Droverd(box) as controller, controller.web_fleet(2):
        make_shop_of_any_size(controller)
        good = create(controller, "shop/1.tgz")
        controller.wait(good)
        assert controller.aws("wait", "deployment-successful", "--deployment-id", good) == {}
        empty = controller.deploy(group="empty")
        controller.wait(empty)
        said = controller.aws("wait", "deployment-successful", "--deployment-id", empty, status=255)
        assert "terminal failure" in said, said


def make_shop_of_any_size(controller):
    controller.group(config="CodeDeployDefault.AllAtOnce")
    controller.group(group="empty", value="nobody", config="CodeDeployDefault.AllAtOnce")


@case
def a_second_deployment_of_a_busy_group_is_refused_with_the_first_ones_id(box):
    with droverd.Droverd(box) as controller, controller.web_fleet(2, SLOW):
        make_shop_of_any_size(controller)
        first = create(controller, "shop/1.tgz")
        said = controller.aws("create-deployment", "--application-name", "shop", "--deployment-group-name", "prod",
                              "--s3-location", location("shop/2.tgz"), status=254)
        assert f"already has an active Deployment '{first}'" in said, said
        controller.wait(first)
        controller.wait(create(controller, "shop/2.tgz"))


@case
def a_stopped_deployment_begins_no_further_event(box):
    with droverd.Droverd(box) as controller, controller.web_fleet(4, SLOW) as hosts:
        make_shop(controller)
        number = create(controller, "shop/1.tgz")
        hosts.wait(lambda it: it.of("started", event="Install"))
        answer = controller.aws("stop-deployment", "--deployment-id", number, "--no-auto-rollback-enabled")
        assert answer["status"] in ("Pending", "Succeeded") and answer["statusMessage"], answer
        info = controller.wait(number)
        assert info["status"] == "Stopped" and info["errorInformation"]["code"] == "MANUAL_STOP", info
        assert "completeTime" in info and info["rollbackInfo"] == {}, info
        hosts.wait(lambda it: len(it.of("ran", event="Install")) == len(it.of("started", event="Install")))
        time.sleep(0.5)
        assert not hosts.of("started", event="AfterInstall")
        found = droverd.statuses(controller.targets(number))
        assert "InProgress" not in found and "Pending" not in found and found["Skipped"] == 2, found
        assert controller.aws("stop-deployment", "--deployment-id", number)["status"] == "Succeeded"


@case
def a_stop_with_rollback_brings_the_old_revision_back(box):
    with droverd.Droverd(box) as controller, controller.web_fleet(4) as hosts:
        make_shop(controller)
        controller.wait(create(controller, "shop/1.tgz"))
        hosts.tell(SLOW)
        bad = create(controller, "shop/2.tgz")
        hosts.wait(lambda it: it.of("started", event="Install", deployment=bad))
        controller.aws("stop-deployment", "--deployment-id", bad, "--auto-rollback-enabled")
        assert controller.wait(bad)["status"] == "Stopped"
        assert wait_until(lambda: controller.deployment(bad)["rollbackInfo"].get("rollbackDeploymentId"), 20)
        back = controller.deployment(bad)["rollbackInfo"]["rollbackDeploymentId"]
        info = controller.wait(back)
        assert info["status"] == "Succeeded" and info["creator"] == "codeDeployRollback", info
        assert info["rollbackInfo"]["rollbackTriggeringDeploymentId"] == bad, info
        assert info["revision"]["s3Location"]["key"] == "shop/1.tgz", info
        shown = controller.aws("get-deployment", "--deployment-id", back)["deploymentInfo"]
        assert shown["rollbackInfo"]["rollbackMessage"], shown
        hosts.expect_once()


@case
def a_failed_script_is_shown_on_its_event_with_all_that_the_agent_said(box):
    rule = {"hosts": "web-00002", "events": "AfterInstall", "result": "fail", "code": 4, "script": "scripts/after.sh",
            "message": "Script at specified location: scripts/after.sh failed with exit code 3",
            "log": "LifecycleEvent - AfterInstall\nScript - scripts/after.sh\n[stderr]cannot reach db\n"}
    scenario = {"manners": [{"kind": "ruby", "wait_ms": 5, "probe": False}], "rules": [rule]}
    with droverd.Droverd(box) as controller, controller.web_fleet(2, scenario):
        make_shop_of_any_size(controller)
        number = create(controller, "shop/1.tgz")
        assert controller.wait(number)["status"] == "Succeeded", "one of two succeeded, and none has to"
        target = controller.aws("get-deployment-target", "--deployment-id", number, "--target-id",
                                "web-00002")["deploymentTarget"]["instanceTarget"]
        assert target["status"] == "Failed"
        events = {event["lifecycleEventName"]: event for event in target["lifecycleEvents"]}
        assert [events[name]["status"] for name in fleet.EVENTS] == ["Succeeded"] * 4 + ["Failed"] + ["Skipped"] * 2
        shown = events["AfterInstall"]["diagnostics"]
        assert shown == {"errorCode": "ScriptFailed", "scriptName": rule["script"], "message": rule["message"],
                         "logTail": rule["log"]}, shown


@case
def more_than_a_hundred_of_everything_come_in_pages(box):
    with droverd.Droverd(box) as controller:
        names = [f"app-{i:03}" for i in range(130)]
        for name in names:
            controller.call("CreateApplication", applicationName=name)
        first = controller.call("ListApplications")
        assert len(first["applications"]) == 100 and first["nextToken"]
        second = controller.call("ListApplications", nextToken=first["nextToken"])
        assert sorted(first["applications"] + second["applications"]) == names and "nextToken" not in second
        assert sorted(controller.aws("list-applications")["applications"]) == names
        assert len(controller.aws("list-applications", "--no-paginate")["applications"]) == 100
        for i in range(120):
            controller.group("app-000", f"group-{i:03}", value="nobody")
            controller.call("RegisterOnPremisesInstance", instanceName=f"host-{i:03}",
                            iamUserArn=f"arn:aws:iam::000000000000:user/host-{i:03}")
            controller.deploy("app-000", f"group-{i:03}", f"app/{i}.tgz")
        aws = controller.aws
        assert len(set(aws("list-deployment-groups", "--application-name", "app-000")["deploymentGroups"])) == 120
        assert len(set(aws("list-on-premises-instances")["instanceNames"])) == 120
        assert len(set(aws("list-deployments")["deployments"])) == 120
        revisions = aws("list-application-revisions", "--application-name", "app-000")["revisions"]
        assert len({one["s3Location"]["key"] for one in revisions}) == 120
        # A token serves the question it was given for, and no other.
        try:
            controller.call("ListDeployments", nextToken=first["nextToken"])
            raise AssertionError("a token of another operation was taken")
        except droverd.Refused as refused:
            assert refused.type == "InvalidNextTokenException", refused


@case
def times_are_numbers_and_every_answer_has_its_headers(box):
    with droverd.Droverd(box) as controller, controller.web_fleet(1):
        make_shop_of_any_size(controller)
        number = controller.deploy()
        controller.wait(number)
        status, headers, text = controller.client.send(
            "CodeDeploy_20141006.GetDeployment", json.dumps({"deploymentId": number}).encode())
        assert status == 200 and UUID.match(headers["x-amzn-RequestId"]), headers
        assert headers["Date"] and headers["Content-Type"] == "application/x-amz-json-1.1"
        assert re.search(rb'"createTime": ?1[0-9]{9}\.[0-9]{1,3}[,}]', text), text
        info = json.loads(text)["deploymentInfo"]
        assert all(isinstance(info[name], float) for name in ("createTime", "startTime", "completeTime")), info
        target = controller.targets(number)["web-00001"]
        assert isinstance(target["lastUpdatedAt"], float)
        assert all(isinstance(event["endTime"], (int, float)) for event in target["lifecycleEvents"])
        status, headers, text = controller.client.send("CodeDeploy_20141006.Nonsense", b"{}")
        assert status == 400 and json.loads(text)["__type"] == "UnknownOperationException"
        assert UUID.match(headers["x-amzn-RequestId"])
        status, _, text = controller.client.send("CodeDeploy_20141006.GetDeployment", b'{"deploymentId": ')
        assert status == 400 and json.loads(text)["__type"] == "SerializationException", text


@case
def boto3_drives_a_deployment_and_its_waiter(box):
    try:
        import boto3
    except ImportError as why:
        raise Skip("needs python3-boto3 for this Python") from why
    with droverd.Droverd(box) as controller, controller.web_fleet(3):
        client = boto3.client("codedeploy", endpoint_url=controller.endpoint, region_name=droverd.REGION,
                              aws_access_key_id=controller.key, aws_secret_access_key=controller.secret,
                              verify=controller.ca)
        client.create_application(applicationName="shop")
        client.create_deployment_group(
            applicationName="shop", deploymentGroupName="prod", serviceRoleArn=droverd.ROLE,
            deploymentConfigName="CodeDeployDefault.HalfAtATime", onPremisesTagSet={"onPremisesTagSetList": [[
                {"Key": "role", "Value": "web", "Type": "KEY_AND_VALUE"}]]})
        number = client.create_deployment(applicationName="shop", deploymentGroupName="prod",
                                          revision=droverd.s3("shop/1.tgz"))["deploymentId"]
        client.get_waiter("deployment_successful").wait(deploymentId=number, WaiterConfig={"Delay": 1})
        info = client.get_deployment(deploymentId=number)["deploymentInfo"]
        assert info["completeTime"].tzinfo and info["deploymentOverview"]["Succeeded"] == 3
        pages = client.get_paginator("list_deployment_targets").paginate(deploymentId=number)
        assert len([one for page in pages for one in page["targetIds"]]) == 3
        try:
            client.get_deployment(deploymentId="d-AAAAAAAAA")
            raise AssertionError("there is no such deployment")
        except client.exceptions.DeploymentDoesNotExistException as refused:
            assert refused.response["Error"]["Message"] and refused.response["ResponseMetadata"]["RequestId"]


@case
def what_was_made_can_be_taken_away_twice(box):
    with droverd.Droverd(box) as controller:
        make_shop(controller)
        aws = controller.aws
        for _ in range(2):
            aws("delete-deployment-group", "--application-name", "shop", "--deployment-group-name", "prod")
            aws("delete-application", "--application-name", "shop")
            aws("delete-deployment-config", "--deployment-config-name", "two-stay")
        assert aws("list-applications")["applications"] == []
        assert "two-stay" not in aws("list-deployment-configs")["deploymentConfigsList"]


run_all(droverd.needs_aws)
