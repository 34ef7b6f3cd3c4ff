/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "controller/answer.h"
#include "controller/arn.h"
#include "controller/call.h"
#include "controller/check.h"
#include "controller/fleet.h"
#include "controller/identifier.h"
#include "controller/page.h"
#include "controller/store.h"

/* Access keys: who may sign requests, and for what. All of this is for administrators. */

enum { APPLICATIONS_LIMIT = 100 };

static const struct name_rule KEY_NAME = { "name", "key name", "KeyNameRequiredException",
	"InvalidKeyNameException", false };

static const char *const roles[] = {
	[KEY_ADMINISTRATOR] = "administrator",
	[KEY_DEPLOYER] = "deployer",
	[KEY_READER] = "reader",
	[KEY_HOST] = "host",
	NULL,
};

/* What changes something is kept from others by auth_permits() already. */
static bool is_administrator(struct call *call)
{
	if (call->who.is_root || (call->who.key && call->who.key->role == KEY_ADMINISTRATOR))
		return true;
	call_fail_status(call, 403, "AccessDeniedException",
		"%s is for administrators; access key %s has another role", call->operation,
		call->who.key ? call->who.key->id : "");
	return false;
}

static void check_arn(struct check *check, int role, const char *arn)
{
	if (role == KEY_HOST && !arn)
		check_fail(check, CHECK_REQUIRED, "IamUserArnRequiredException",
			"A host's key needs \"userArn\": the ARN under which it is registered");
	else if (role != KEY_HOST && arn)
		check_fail(check, CHECK_FORM, "InvalidIamUserArnException",
			"\"userArn\" is for keys of the role host; leave it away");
	else if (arn && (strlen(arn) > ARN_LENGTH ||
				(!arn_is_of(arn, "iam", NULL) && !arn_is_of(arn, "sts", NULL))))
		check_fail(check, CHECK_FORM, "InvalidIamUserArnException",
			"'%.100s' is not the ARN of a user or a session, such as "
			"arn:aws:iam::000000000000:user/drover/web-1",
			arn);
}

static const json_t *check_applications(struct check *check, int role)
{
	if (!check_has(check->call->input, "applications"))
		return NULL;
	if (role != KEY_DEPLOYER)
		check_fail(check, CHECK_FORM, "InvalidApplicationNameException",
			"\"applications\" is for keys of the role deployer; leave it away");
	return check_names(check, &APPLICATION_NAME, "applications", APPLICATIONS_LIMIT,
		"BatchLimitExceededException");
}

static void create_key(struct call *call)
{
	const json_t *applications;
	const char *name, *arn;
	struct check check;
	struct key *key;
	int role;

	check_init(&check, call);
	name = check_name(&check, &KEY_NAME);
	role = check_word(&check, call->input, "role", roles, "InvalidKeyRoleException");
	if (!check_has(call->input, "role"))
		check_fail(&check, CHECK_REQUIRED, "KeyRoleRequiredException",
			"No role is given: set \"role\" to administrator, deployer, reader or "
			"host");
	arn = check_string(&check, call->input, "userArn");
	check_arn(&check, role, arn);
	applications = check_applications(&check, role);
	if (!check_passed(&check))
		return;
	key = xcalloc(1, sizeof(*key));
	identifier_make_access_key(key->id);
	(void)snprintf(key->name, sizeof(key->name), "%s", name);
	key->role = (enum key_role)role;
	key->user_arn = xstrdup(arn ? arn : "");
	key->applications = applications ? json_dumps(applications, JSON_COMPACT)
					 : xstrdup("[]");
	key->secret = xcalloc(1, SECRET_LENGTH + 1);
	identifier_make_secret(key->secret);
	key->created_ms = call->now_ms;
	(void)fleet_add_key(call_fleet(call), key);
	store_put_key(call_store(call), key);
	/* The only time that the secret is told. */
	call_answer(call, json_pack("{s:s, s:s}", "accessKeyId", key->id, "secretAccessKey",
				  key->secret));
}

static json_t *key_info(const struct key *key)
{
	json_t *info = json_object();

	answer_text(info, "accessKeyId", key->id);
	answer_text(info, "name", key->name);
	answer_text(info, "role", roles[key->role]);
	answer_text(info, "userArn", key->user_arn);
	if (key->role == KEY_DEPLOYER)
		answer_json(info, "applications", key->applications);
	answer_text(info, "status", key->disabled ? "Disabled" : "Active");
	answer_time(info, "createTime", key->created_ms);
	return info;
}

struct listing {
	struct page page;
	int role; /* -1: all */
};

static void add_key(void *context, struct key *key)
{
	struct listing *listing = context;

	if (!listing->page.has_more && strcmp(key->id, listing->page.after) > 0 &&
		(listing->role < 0 || (enum key_role)listing->role == key->role))
		(void)page_add(&listing->page, key->id, key_info(key));
}

static void list_keys(struct call *call)
{
	struct listing listing;
	struct check check;

	if (!is_administrator(call))
		return;
	check_init(&check, call);
	listing.role = check_word(
		&check, call->input, "role", roles, "InvalidKeyRoleException");
	page_begin(&listing.page, &check, "nextToken");
	if (!check_passed(&check)) {
		page_done(&listing.page);
		return;
	}
	fleet_each_key(call_fleet(call), add_key, &listing);
	page_end(&listing.page, 0, call, "keys", NULL, NULL);
}

struct count {
	const struct key *but;
	size_t n;
};

static void count_administrator(void *context, struct key *key)
{
	struct count *count = context;

	if (key != count->but && key->role == KEY_ADMINISTRATOR && !key->disabled)
		count->n++;
}

/* The key that the input names, if it may go; else the call is failed. */
static struct key *find_key(struct call *call)
{
	struct check check;
	const char *id;
	struct key *key;
	struct count others = { 0 };

	check_init(&check, call);
	id = check_string(&check, call->input, "accessKeyId");
	if (!id || !*id)
		check_fail(&check, CHECK_REQUIRED, "AccessKeyIdRequiredException",
			"No key is given: set \"accessKeyId\"");
	if (!check_passed(&check))
		return NULL;
	key = fleet_find_key(call_fleet(call), id);
	if (!key) {
		call_fail(call, "KeyDoesNotExistException", "No access key found: %s", id);
		return NULL;
	}
	others.but = key;
	fleet_each_key(call_fleet(call), count_administrator, &others);
	if (key->role == KEY_ADMINISTRATOR && !key->disabled && others.n == 0 &&
		!call->who.is_root) {
		call_fail(call, "LastAdministratorException",
			"%s (%s) is the last administrator's key: make another first, or do "
			"this as root on the controller's own machine",
			key->id, key->name);
		return NULL;
	}
	return key;
}

static void disable_key(struct call *call)
{
	struct key *key = find_key(call);

	if (!key)
		return;
	key->disabled = true;
	store_put_key(call_store(call), key);
	call_answer(call, NULL);
}

static void delete_key(struct call *call)
{
	struct key *key = find_key(call);

	if (!key)
		return;
	store_delete_key(call_store(call), key->id);
	if (call->who.key == key)
		call->who.key = NULL;
	fleet_remove_key(call_fleet(call), key);
	call_answer(call, NULL);
}

const struct operation key_operations[] = {
	{ "CreateKey", create_key, true },
	{ "ListKeys", list_keys, false },
	{ "DisableKey", disable_key, true },
	{ "DeleteKey", delete_key, true },
	{ NULL },
};
