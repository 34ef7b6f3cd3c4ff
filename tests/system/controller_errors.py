#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the stock AWS command line shows for mistakes: the error's name, a sentence that names what is wrong, and the
exit status, for more than sixty of them."""

import concurrent.futures
import os

import droverd
from drover import allow, case, run_all

FILTER = [{"Key": "role", "Value": "web", "Type": "KEY_AND_VALUE"}]
LOCATION = "bucket=b,key=k,bundleType=tgz"
NOWHERE = "d-AAAAAAAAA"
GROUP = ("--application-name", "shop", "--service-role-arn", droverd.ROLE)
NEW_GROUP = ("create-deployment-group", *GROUP, "--deployment-group-name", "new")
DEPLOY = ("create-deployment", "--application-name", "shop", "--deployment-group-name", "prod")
LONG = "n" * 101

# What is typed; the error's name; a part of its sentence.
ERRORS = [
    # applications
    (("get-application", "--application-name", "nosuch"), "ApplicationDoesNotExistException",
     "No application found for name: nosuch"),
    (("create-application", "--application-name", "shop"), "ApplicationAlreadyExistsException", "shop"),
    (("create-application", "--application-name", "a b"), "InvalidApplicationNameException", "a b"),
    (("create-application", "--application-name", LONG), "InvalidApplicationNameException", "100"),
    (("create-application", "--application-name", "x", "--compute-platform", "Toaster"),
     "InvalidComputePlatformException", "Toaster"),
    (("create-application", "--application-name", "x", "--compute-platform", "Lambda"),
     "InvalidComputePlatformException", "Lambda"),
    (("create-application", "--application-name", "x", "--tags", [{"Key": "", "Value": "v"}]),
     "InvalidTagsToAddException", "tag 1"),
    (("update-application", "--application-name", "nosuch", "--new-application-name", "y"),
     "ApplicationDoesNotExistException", "nosuch"),
    (("update-application", "--application-name", "shop", "--new-application-name", "other"),
     "ApplicationAlreadyExistsException", "other"),
    (("update-application", "--new-application-name", "y"), "ApplicationNameRequiredException", "applicationName"),
    (("batch-get-applications", "--application-names", "shop", "nosuch"), "ApplicationDoesNotExistException", "nosuch"),
    (("list-applications", "--next-token", "forged"), "InvalidNextTokenException", "nextToken"),
    # configurations
    (("create-deployment-config", "--deployment-config-name", "half", "--minimum-healthy-hosts",
      "type=FLEET_PERCENT,value=50"), "DeploymentConfigAlreadyExistsException", "half"),
    (("create-deployment-config", "--deployment-config-name", "x"), "InvalidMinimumHealthyHostValueException",
     "minimumHealthyHosts"),
    (("create-deployment-config", "--deployment-config-name", "x", "--minimum-healthy-hosts",
      "type=FLEET_PERCENT,value=100"), "InvalidMinimumHealthyHostValueException", "100"),
    (("create-deployment-config", "--deployment-config-name", "x", "--minimum-healthy-hosts",
      "type=HOST_COUNT,value=-1"), "InvalidMinimumHealthyHostValueException", "-1"),
    (("create-deployment-config", "--deployment-config-name", "x", "--minimum-healthy-hosts",
      "type=SOME,value=1"), "InvalidMinimumHealthyHostValueException", "SOME"),
    (("create-deployment-config", "--deployment-config-name", "CodeDeployDefault.Mine", "--minimum-healthy-hosts",
      "type=HOST_COUNT,value=1"), "InvalidDeploymentConfigNameException", "CodeDeployDefault."),
    (("get-deployment-config", "--deployment-config-name", "nosuch"), "DeploymentConfigDoesNotExistException",
     "nosuch"),
    (("delete-deployment-config", "--deployment-config-name", "CodeDeployDefault.OneAtATime"),
     "InvalidOperationException", "CodeDeployDefault.OneAtATime"),
    (("delete-deployment-config", "--deployment-config-name", "half"), "DeploymentConfigInUseException", "half"),
    # groups
    (("get-deployment-group", "--application-name", "shop", "--deployment-group-name", "nosuch"),
     "DeploymentGroupDoesNotExistException", "No Deployment Group found for name: nosuch"),
    (("get-deployment-group", "--application-name", "nosuch", "--deployment-group-name", "prod"),
     "ApplicationDoesNotExistException", "nosuch"),
    (("create-deployment-group", *GROUP, "--deployment-group-name", "prod"), "DeploymentGroupAlreadyExistsException",
     "prod"),
    (("create-deployment-group", *GROUP, "--deployment-group-name", "a/b"), "InvalidDeploymentGroupNameException",
     "a/b"),
    (("create-deployment-group", "--application-name", "shop", "--deployment-group-name", "new", "--service-role-arn",
      "nobody"), "InvalidInputException", "nobody"),
    ((*NEW_GROUP, "--deployment-config-name", "nosuch"), "DeploymentConfigDoesNotExistException", "nosuch"),
    ((*NEW_GROUP, "--on-premises-instance-tag-filters", [{"Key": "k", "Type": "SOMETIMES"}]), "InvalidTagException",
     "SOMETIMES"),
    ((*NEW_GROUP, "--ec2-tag-filters", [{"Key": "k", "Type": "SOMETIMES"}]), "InvalidEC2TagException", "SOMETIMES"),
    ((*NEW_GROUP, "--on-premises-instance-tag-filters", FILTER, "--on-premises-tag-set",
      {"onPremisesTagSetList": [FILTER]}), "InvalidOnPremisesTagCombinationException", "onPremisesTagSet"),
    ((*NEW_GROUP, "--ec2-tag-filters", FILTER, "--ec2-tag-set", {"ec2TagSetList": [FILTER]}),
     "InvalidEC2TagCombinationException", "ec2TagSet"),
    ((*NEW_GROUP, "--on-premises-tag-set", {"onPremisesTagSetList": [FILTER] * 4}), "TagSetListLimitExceededException",
     "3"),
    ((*NEW_GROUP, "--auto-rollback-configuration", "enabled=true"), "InvalidAutoRollbackConfigException", "event"),
    ((*NEW_GROUP, "--auto-rollback-configuration", "enabled=true,events=SOMETIMES"),
     "InvalidAutoRollbackConfigException", "SOMETIMES"),
    ((*NEW_GROUP, "--alarm-configuration", "enabled=true,alarms=[]"), "InvalidAlarmConfigException", "alarm"),
    ((*NEW_GROUP, "--deployment-style", "deploymentType=SIDEWAYS"), "InvalidDeploymentStyleException", "SIDEWAYS"),
    (("update-deployment-group", "--application-name", "shop", "--current-deployment-group-name", "nosuch"),
     "DeploymentGroupDoesNotExistException", "nosuch"),
    (("update-deployment-group", "--application-name", "shop", "--current-deployment-group-name", "prod",
      "--new-deployment-group-name", "second"), "DeploymentGroupAlreadyExistsException", "second"),
    (("list-deployment-groups", "--application-name", "nosuch"), "ApplicationDoesNotExistException", "nosuch"),
    # hosts
    (("register-on-premises-instance", "--instance-name", "h"), "IamArnRequiredException", "iamUserArn"),
    (("register-on-premises-instance", "--instance-name", "h", "--iam-user-arn", "arn:aws:iam::000000000000:user/h",
      "--iam-session-arn", "arn:aws:sts::000000000000:assumed-role/R/h"), "MultipleIamArnsProvidedException", "give one"),
    (("register-on-premises-instance", "--instance-name", "h", "--iam-user-arn", "someone"),
     "InvalidIamUserArnException", "someone"),
    (("register-on-premises-instance", "--instance-name", "h", "--iam-session-arn", "someone"),
     "InvalidIamSessionArnException", "someone"),
    (("register-on-premises-instance", "--instance-name", "i-0123", "--iam-user-arn",
      "arn:aws:iam::000000000000:user/h"), "InvalidInstanceNameException", "i-"),
    (("register-on-premises-instance", "--instance-name", "web", "--iam-user-arn",
      "arn:aws:iam::000000000000:user/h"), "InstanceNameAlreadyRegisteredException", "web"),
    (("register-on-premises-instance", "--instance-name", "h", "--iam-user-arn",
      "arn:aws:iam::000000000000:user/web"), "IamUserArnAlreadyRegisteredException", "user/web"),
    (("get-on-premises-instance", "--instance-name", "nosuch"), "InstanceNotRegisteredException", "nosuch"),
    (("add-tags-to-on-premises-instances", "--instance-names", "web", "nosuch", "--tags", "Key=k,Value=v"),
     "InstanceNotRegisteredException", "nosuch"),
    (("add-tags-to-on-premises-instances", "--instance-names", "web", "--tags", [{"Key": "k" * 129, "Value": "v"}]),
     "InvalidTagException", "128"),
    (("remove-tags-from-on-premises-instances", "--instance-names", "nosuch", "--tags", "Key=k,Value=v"),
     "InstanceNotRegisteredException", "nosuch"),
    (("list-on-premises-instances", "--registration-status", "Perhaps"), "InvalidRegistrationStatusException",
     "Perhaps"),
    # revisions
    (("register-application-revision", "--application-name", "nosuch", "--s3-location", LOCATION),
     "ApplicationDoesNotExistException", "nosuch"),
    (("register-application-revision", "--application-name", "shop", "--s3-location", "bucket=b,key=k,bundleType=rar"),
     "InvalidRevisionException", "rar"),
    (("register-application-revision", "--application-name", "shop", "--s3-location", LOCATION, "--description",
      "d" * 257), "DescriptionTooLongException", "256"),
    (("get-application-revision", "--application-name", "shop", "--s3-location", LOCATION),
     "RevisionDoesNotExistException", "k"),
    (("list-application-revisions", "--application-name", "shop", "--sort-by", "mood"), "InvalidSortByException",
     "mood"),
    (("list-application-revisions", "--application-name", "shop", "--s3-key-prefix", "k"),
     "BucketNameFilterRequiredException", "s3Bucket"),
    (("list-application-revisions", "--application-name", "shop", "--deployed", "perhaps"),
     "InvalidDeployedStateFilterException", "perhaps"),
    # deployments
    ((*DEPLOY[:3], "--s3-location", LOCATION), "DeploymentGroupNameRequiredException", "deploymentGroupName"),
    (DEPLOY, "RevisionRequiredException", "revision"),
    ((*DEPLOY[:4], "nosuch", "--s3-location", LOCATION), "DeploymentGroupDoesNotExistException", "nosuch"),
    ((*DEPLOY, "--s3-location", LOCATION, "--deployment-config-name", "nosuch"),
     "DeploymentConfigDoesNotExistException", "nosuch"),
    ((*DEPLOY, "--s3-location", LOCATION, "--file-exists-behavior", "SHRUG"), "InvalidFileExistsBehaviorException",
     "SHRUG"),
    ((*DEPLOY, "--s3-location", LOCATION, "--description", "d" * 257), "DescriptionTooLongException", "256"),
    ((*DEPLOY, "--s3-location", LOCATION, "--target-instances", {"tagFilters": FILTER}),
     "InvalidTargetInstancesException", "targetInstances"),
    (("create-deployment", "--application-name", "shop", "--deployment-group-name", "busy", "--s3-location", LOCATION),
     "DeploymentLimitExceededException", "already has an active Deployment 'd-"),
    (("get-deployment", "--deployment-id", NOWHERE), "DeploymentDoesNotExistException", NOWHERE),
    (("get-deployment", "--deployment-id", "d-1"), "InvalidDeploymentIdException", "d-1"),
    (("stop-deployment", "--deployment-id", NOWHERE), "DeploymentDoesNotExistException", NOWHERE),
    (("list-deployments", "--application-name", "shop"), "DeploymentGroupNameRequiredException",
     "deploymentGroupName"),
    (("list-deployments", "--deployment-group-name", "prod"), "ApplicationNameRequiredException", "applicationName"),
    (("list-deployments", "--include-only-statuses", "Perhaps"), "InvalidDeploymentStatusException", "Perhaps"),
    (("list-deployments", "--create-time-range", "start=2026-11-20,end=2026-11-19"), "InvalidTimeRangeException",
     "start"),
    (("list-deployment-targets", "--deployment-id", NOWHERE), "DeploymentDoesNotExistException", NOWHERE),
    (("get-deployment-target", "--deployment-id", "{busy}", "--target-id", "nosuch"),
     "DeploymentTargetDoesNotExistException", "nosuch"),
    (("list-deployment-targets", "--deployment-id", "{busy}", "--target-filters", {"TargetStatus": ["Perhaps"]}),
     "InvalidInstanceStatusException", "Perhaps"),
    (("list-deployment-instances", "--deployment-id", "{busy}", "--instance-type-filter", "Blue"),
     "InvalidDeploymentInstanceTypeException", "blue/green"),
    (("continue-deployment", "--deployment-id", "{busy}", "--deployment-wait-type", "READY_WAIT"),
     "UnsupportedActionForDeploymentTypeException", ""),
    # tags of resources
    (("list-tags-for-resource", "--resource-arn", "somewhere"), "InvalidArnException", "somewhere"),
    (("tag-resource", "--resource-arn", "arn:aws:codedeploy:local:000000000000:application:nosuch", "--tags",
      "Key=k,Value=v"), "ApplicationDoesNotExistException", "nosuch"),
]


def prepare(controller):
    """What the mistakes refer to; returns the deployment that keeps the group `busy` busy."""
    controller.call("CreateDeploymentConfig", deploymentConfigName="half",
                    minimumHealthyHosts={"type": "FLEET_PERCENT", "value": 50})
    controller.group("other")
    controller.group(config="half")
    controller.group(group="second")
    controller.group(group="busy", key="role", value="busy", config="CodeDeployDefault.AllAtOnce")
    controller.call("RegisterOnPremisesInstance", instanceName="web", iamUserArn="arn:aws:iam::000000000000:user/web")
    controller.hosts(2, "busy-", (("role", "busy"),))
    return controller.deploy(group="busy")


def try_error(controller, busy, words, name, part):
    """What is wrong with how a mistake is told, or None."""
    words = [busy if one == "{busy}" else one for one in words]
    try:
        said = controller.aws(*words, status=254)
    except AssertionError as failure:
        return str(failure)
    if f"({name})" in said and part in said:
        return None
    return f"{' '.join(map(str, words))}:\n    {said}\n    wanted {name}, {part!r}"


@case
def every_mistake_has_its_name_and_a_sentence_that_helps(box):
    allow(600)  # the command line takes about a second for each
    with droverd.Droverd(box) as controller:
        with controller.fleet({"manners": [{"kind": "native", "wait_ms": 10, "probe": False}],
                               "rules": [{"events": "Install", "delay_ms": 600000}]}):
            busy = prepare(controller)
            controller.wait(busy, status="InProgress")
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
                wrong = [one for one in pool.map(lambda error: try_error(controller, busy, *error), ERRORS) if one]
            assert not wrong, f"{len(wrong)} of {len(ERRORS)}:\n" + "\n".join(wrong)
            assert len(ERRORS) >= 60
            controller.call("StopDeployment", deploymentId=busy, autoRollbackEnabled=False)


@case
def what_the_command_line_refuses_itself_never_arrives(box):
    with droverd.Droverd(box) as controller:
        said = controller.aws("create-application", status=252)
        assert "--application-name" in said


@case
def a_wrong_secret_and_an_unknown_key_are_refused_by_name(box):
    with droverd.Droverd(box) as controller:
        for key, secret, name in ((controller.key, "wrong", "InvalidSignatureException"),
                                  ("AKIAUNKNOWN", controller.secret, "UnrecognizedClientException")):
            with open(box.join("other.credentials"), "w", encoding="utf-8") as file:
                file.write(f"[drover]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
            real, controller.credentials = controller.credentials, box.join("other.credentials")
            assert f"({name})" in controller.aws("list-applications", status=254)
            controller.credentials = real


run_all(droverd.needs_aws)
