/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/api_case.h"

#include "base/cleanup.h"
#include "controller/fleet.h"
#include "unit.h"

/* clang-format off */
#define PREDEFINED(name, id, type, value) "{'deploymentConfigInfo':{'deploymentConfigId':'00000000-0000-0000-0000-00000000000" id "'," \
	"'deploymentConfigName':'CodeDeployDefault." name "','minimumHealthyHosts':{'type':'" type "','value':" value "},'computePlatform':'Server'}}"
#define HOSTS(type, value) ",'minimumHealthyHosts':{'type':'" type "','value':" value "}"

static const struct api_line lines[] = {
	{ "ListDeploymentConfigs", "{}", NULL, "{'deploymentConfigsList':['CodeDeployDefault.AllAtOnce','CodeDeployDefault.HalfAtATime','CodeDeployDefault.OneAtATime']}" },
	{ "GetDeploymentConfig", "{'deploymentConfigName':'CodeDeployDefault.OneAtATime'}", NULL, PREDEFINED("OneAtATime", "1", "MOST_CONCURRENCY", "1") },
	{ "GetDeploymentConfig", "{'deploymentConfigName':'CodeDeployDefault.HalfAtATime'}", NULL, PREDEFINED("HalfAtATime", "2", "FLEET_PERCENT", "50") },
	{ "GetDeploymentConfig", "{'deploymentConfigName':'CodeDeployDefault.AllAtOnce'}", NULL, PREDEFINED("AllAtOnce", "3", "HOST_COUNT", "0") },
	{ "GetDeploymentConfig", "{}", "DeploymentConfigNameRequiredException", "" },
	{ "GetDeploymentConfig", "{'deploymentConfigName':'a b'}", "InvalidDeploymentConfigNameException", "" },
	{ "GetDeploymentConfig", "{'deploymentConfigName':'none'}", "DeploymentConfigDoesNotExistException", "none" },

	{ "CreateDeploymentConfig", "{}", "DeploymentConfigNameRequiredException", "" },
	{ "CreateDeploymentConfig", "{'deploymentConfigName':'x'}", "InvalidMinimumHealthyHostValueException", "needs \"minimumHealthyHosts\"" },
	{ "CreateDeploymentConfig", "{'deploymentConfigName':'x','minimumHealthyHosts':{}}", "InvalidMinimumHealthyHostValueException", "\"type\"" },
	{ "CreateDeploymentConfig", "{'deploymentConfigName':'x','minimumHealthyHosts':{'type':'HOST_COUNT'}}", "InvalidMinimumHealthyHostValueException", "\"value\"" },
	{ "CreateDeploymentConfig", "{'deploymentConfigName':'x'" HOSTS("HOST_COUNT", "-1") "}", "InvalidMinimumHealthyHostValueException", "-1" },
	{ "CreateDeploymentConfig", "{'deploymentConfigName':'x'" HOSTS("HOST_COUNT", "99999999999") "}", "InvalidMinimumHealthyHostValueException", "" },
	{ "CreateDeploymentConfig", "{'deploymentConfigName':'x'" HOSTS("FLEET_PERCENT", "100") "}", "InvalidMinimumHealthyHostValueException", "0 to 99" },
	{ "CreateDeploymentConfig", "{'deploymentConfigName':'x'" HOSTS("MOST_CONCURRENCY", "1") "}", "InvalidMinimumHealthyHostValueException", "HOST_COUNT, FLEET_PERCENT" },
	{ "CreateDeploymentConfig", "{'deploymentConfigName':'x'" HOSTS("HOST_COUNT", "'1'") "}", "SerializationException", "an integer, without quotes" },
	{ "CreateDeploymentConfig", "{'deploymentConfigName':'x'" HOSTS("HOST_COUNT", "1.5") "}", "SerializationException", "" },
	{ "CreateDeploymentConfig", "{'deploymentConfigName':'CodeDeployDefault.Mine'" HOSTS("HOST_COUNT", "1") "}", "InvalidDeploymentConfigNameException", "reserved" },
	{ "CreateDeploymentConfig", "{'deploymentConfigName':'x','computePlatform':'ECS'" HOSTS("HOST_COUNT", "1") "}", "InvalidComputePlatformException", "" },
	{ "CreateDeploymentConfig", "{'deploymentConfigName':'x','trafficRoutingConfig':{'type':'AllAtOnce'}" HOSTS("HOST_COUNT", "1") "}", "InvalidTrafficRoutingConfigurationException", "" },
	{ "CreateDeploymentConfig", "{'deploymentConfigName':'x','zonalConfig':{'monitorDurationInSeconds':5}" HOSTS("HOST_COUNT", "1") "}", "InvalidZonalDeploymentConfigurationException", "zone" },

	{ "CreateDeploymentConfig", "{'deploymentConfigName':'Slow','computePlatform':'Server'" HOSTS("FLEET_PERCENT", "99") "}", NULL, "{'deploymentConfigId':'*'}" },
	{ "CreateDeploymentConfig", "{'deploymentConfigName':'Fast','trafficRoutingConfig':null" HOSTS("HOST_COUNT", "0") "}", NULL, "{'deploymentConfigId':'*'}" },
	{ "CreateDeploymentConfig", "{'deploymentConfigName':'Slow'" HOSTS("HOST_COUNT", "1") "}", "DeploymentConfigAlreadyExistsException", "Slow" },
	{ "GetDeploymentConfig", "{'deploymentConfigName':'Slow'}", NULL, "{'deploymentConfigInfo':{'deploymentConfigId':'*','deploymentConfigName':'Slow',"
		"'minimumHealthyHosts':{'type':'FLEET_PERCENT','value':99},'createTime':1795190400.123,'computePlatform':'Server'}}" },

	{ "CreateApplication", "{'applicationName':'shop'}", NULL, "{'applicationId':'*'}" },
	{ "CreateDeploymentGroup", "{'applicationName':'shop','deploymentGroupName':'prod','deploymentConfigName':'Slow','serviceRoleArn':'arn:aws:iam::1:role/x'}", NULL, "{'deploymentGroupId':'*'}" },
	{ "DeleteDeploymentConfig", "{'deploymentConfigName':'Slow'}", "DeploymentConfigInUseException", "1 deployment group" },
	{ "UpdateDeploymentGroup", "{'applicationName':'shop','currentDeploymentGroupName':'prod','deploymentConfigName':'Fast'}", NULL, "{'hooksNotCleanedUp':[]}" },
	{ "DeleteDeploymentConfig", "{'deploymentConfigName':'Fast'}", "DeploymentConfigInUseException", "" },
	{ "DeleteDeploymentConfig", "{'deploymentConfigName':'Slow'}", NULL, "{}" },
	{ "DeleteDeploymentConfig", "{'deploymentConfigName':'Slow'}", NULL, "{}" },
	{ "DeleteDeploymentConfig", "{'deploymentConfigName':'CodeDeployDefault.AllAtOnce'}", "InvalidOperationException", "predefined" },
	{ "DeleteDeploymentConfig", "{}", "DeploymentConfigNameRequiredException", "" },
	{ "DeleteDeploymentConfig", "{'deploymentConfigName':'*'}", "InvalidDeploymentConfigNameException", "" },
	{ "DeleteApplication", "{'applicationName':'shop'}", NULL, "{}" },
	{ "DeleteDeploymentConfig", "{'deploymentConfigName':'Fast'}", NULL, "{}" },
};
/* clang-format on */

static const struct operation *const tables[] = { application_operations, config_operations,
	group_operations };

START_TEST(each_operation_answers_and_refuses)
{
	api_start(tables, ARRAY_SIZE(tables));
	api_expect_lines(lines, ARRAY_SIZE(lines));
	api_stop();
}
END_TEST

START_TEST(configurations_are_there_after_a_restart)
{
	api_start(tables, ARRAY_SIZE(tables));
	api_expect("CreateDeploymentConfig",
		"{'deploymentConfigName':'Mine'" HOSTS("HOST_COUNT", "3") "}",
		"{'deploymentConfigId':'*'}");
	api_restart();
	api_expect("ListDeploymentConfigs", "{}",
		"{'deploymentConfigsList':['CodeDeployDefault.AllAtOnce',"
		"'CodeDeployDefault.HalfAtATime','CodeDeployDefault.OneAtATime','Mine']}");
	ck_assert_uint_eq(fleet_find_config(api_parts.fleet, "Mine")->minimum.value, 3);
	api_stop();
}
END_TEST

TESTS("api_config", each_operation_answers_and_refuses,
	configurations_are_there_after_a_restart)
