/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/auth.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "controller/deployments.h"
#include "controller/fleet.h"
#include "controller/store.h"

/* What each role may do. */

/* What deployers may do of all that changes something, with their applications. */
static const struct deploying {
	const char *operation;
	/* It is about the deployment that it names. Other members are no part of its input, so
	 * an application that is given as well says nothing. */
	bool by_deployment;
} deploying[] = {
	{ "ContinueDeployment", true },
	{ "CreateDeployment", false },
	{ "PauseDeployment", true },
	{ "RegisterApplicationRevision", false },
	{ "ResumeDeployment", true },
	{ "SkipWaitTimeForInstanceTermination", true },
	{ "StopDeployment", true },
};

static bool refuse(struct refusal *ret)
{
	ret->status = 403;
	ret->type = "AccessDeniedException";
	return false;
}

static const struct deploying *find_deploying(const char *operation)
{
	for (size_t i = 0; i < ARRAY_SIZE(deploying); i++)
		if (strcmp(deploying[i].operation, operation) == 0)
			return &deploying[i];
	return NULL;
}

/* The application that the call is about: 1 if it says so, 0 if it does not, or names a
 * deployment that does not exist: that is the handler's to say. */
static int find_application(const struct call *call, const struct deploying *how,
	char ret[static NAME_LENGTH + 1], struct error *err)
{
	struct deployment_record record = { 0 };
	const struct deployment *open;
	const char *name = NULL;
	const char *id = NULL;
	int r;

	if (how->by_deployment)
		(void)json_find_string(call->input, "deploymentId", &id, NULL);
	else
		(void)json_find_string(call->input, "applicationName", &name, NULL);
	if (name) {
		size_t n = strnlen(name, NAME_LENGTH);

		memcpy(ret, name, n);
		ret[n] = '\0';
		return name[n] == '\0';
	}
	if (!id)
		return 0;
	open = deployments_find(call_deployments(call), id);
	if (open) {
		strcpy(ret, open->record.application_name);
		return 1;
	}
	r = store_find_deployment(call_store(call), id, &record, err);
	if (r > 0) {
		strcpy(ret, record.application_name);
		deployment_record_done(&record);
	}
	return r;
}

static bool is_bound_to(const struct key *key, const char *application_name)
{
	cleanup_with(json_decrefp) json_t *names = json_loads(key->applications, 0, NULL);
	const json_t *name;
	size_t i;

	if (!json_is_array(names))
		return false; /* what cannot be read binds to nothing */
	if (json_array_size(names) == 0)
		return true;
	json_array_foreach(names, i,
		name) if (json_is_string(name) &&
			  strcmp(json_string_value(name), application_name) == 0) return true;
	return false;
}

static bool deployer_may(struct call *call, struct refusal *ret)
{
	const struct deploying *how = find_deploying(call->operation);
	const struct key *key = call->who.key;
	char name[NAME_LENGTH + 1] = "";
	int r;

	if (!how) {
		error_set(&ret->why, -EACCES,
			"access key %s (%s) has the role deployer, which may deploy but not %s",
			key->id, key->name, call->operation);
		return refuse(ret);
	}
	r = find_application(call, how, name, &ret->why);
	if (r < 0) {
		ret->status = 500;
		ret->type = "InternalFailure";
		return false;
	}
	/* One that is bound to all may be told by the handler what is wrong. */
	if (is_bound_to(key, name))
		return true;
	if (r == 0)
		error_set(&ret->why, -EACCES,
			"access key %s (%s) is bound to applications, and %s names none of "
			"them",
			key->id, key->name, call->operation);
	else
		error_set(&ret->why, -EACCES,
			"access key %s (%s) is not bound to application %s", key->id, key->name,
			name);
	return refuse(ret);
}

static bool host_may(const struct call *call, enum api api, struct refusal *ret)
{
	const struct key *key = call->who.key;
	const char *identifier = NULL;

	if (api != API_COMMANDS) {
		error_set(&ret->why, -EACCES,
			"access key %s is host %s's, which may fetch its commands but not %s",
			key->id, key->user_arn, call->operation);
		return refuse(ret);
	}
	if (!call->who.host) {
		error_set(&ret->why, -EACCES,
			"host %s is not registered: register it (RegisterOnPremisesInstance)",
			key->user_arn);
		return refuse(ret);
	}
	(void)json_find_string(call->input, "HostIdentifier", &identifier, NULL);
	if (identifier && strcmp(identifier, key->user_arn) != 0) {
		error_set(&ret->why, -EACCES,
			"access key %s is host %s's and cannot speak for another", key->id,
			key->user_arn);
		return refuse(ret);
	}
	return true;
}

static bool person_may(
	struct call *call, enum api api, const struct operation *operation, struct refusal *ret)
{
	const struct key *key = call->who.key;

	if (api == API_COMMANDS) {
		error_set(&ret->why, -EACCES,
			"%s is for hosts: sign it with the access key of one (role host)",
			call->operation);
		return refuse(ret);
	}
	if (!operation->changes || call->who.is_root || key->role == KEY_ADMINISTRATOR)
		return true;
	if (key->role == KEY_DEPLOYER)
		return deployer_may(call, ret);
	error_set(&ret->why, -EACCES,
		"access key %s (%s) has the role reader, which may not change anything: %s "
		"does",
		key->id, key->name, call->operation);
	return refuse(ret);
}

bool auth_permits(struct call *call, enum api api, const struct operation *operation,
	struct refusal *ret_refusal)
{
	*ret_refusal = (struct refusal){ 0 };
	assert(call->who.key || call->who.is_root);
	if (call->who.key && call->who.key->role == KEY_HOST)
		return host_may(call, api, ret_refusal);
	return person_may(call, api, operation, ret_refusal);
}
