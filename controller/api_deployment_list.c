/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "controller/api_deployment.h"
#include "controller/call.h"
#include "controller/check.h"
#include "controller/page.h"
#include "controller/store.h"

/* ListDeployments: ids, the newest first. */

static const char *const STATUSES[] = { "Created", "Queued", "InProgress", "Baking",
	"Succeeded", "Failed", "Stopped", "Ready", NULL };

struct listing {
	struct deployment_filter filter;
	const char *application_name;
	const char *group_name;
	/* Each at most once, so that a client cannot make the list long. */
	const char *statuses[ARRAY_SIZE(STATUSES)];
};

static void check_both_names(struct check *check, struct listing *listing)
{
	listing->application_name = check_name_member(
		check, &APPLICATION_NAME, "applicationName");
	listing->group_name = check_name_member(check, &GROUP_NAME, "deploymentGroupName");
	if (listing->application_name && !listing->group_name)
		check_fail(check, CHECK_REQUIRED, GROUP_NAME.required,
			"Give \"deploymentGroupName\" as well, or neither of the two");
	if (listing->group_name && !listing->application_name)
		check_fail(check, CHECK_REQUIRED, APPLICATION_NAME.required,
			"Give \"applicationName\" as well, or neither of the two");
}

static void add_status(struct check *check, struct listing *listing, const char *status)
{
	size_t known = 0;

	while (STATUSES[known] && strcmp(STATUSES[known], status) != 0)
		known++;
	if (!STATUSES[known]) {
		check_fail(check, CHECK_FORM, "InvalidDeploymentStatusException",
			"'%.100s' is no status of a deployment", status);
		return;
	}
	for (size_t i = 0; i < listing->filter.n_statuses; i++)
		if (listing->statuses[i] == STATUSES[known])
			return;
	listing->statuses[listing->filter.n_statuses++] = STATUSES[known];
}

static void check_statuses(struct check *check, struct listing *listing)
{
	const json_t *list = check_strings(check, check->call->input, "includeOnlyStatuses");

	for (size_t i = 0; i < json_array_size(list); i++)
		add_status(check, listing, json_string_value(json_array_get(list, i)));
	if (listing->filter.n_statuses > 0)
		listing->filter.statuses = listing->statuses;
}

/* Seconds since 1970 with a fraction, as milliseconds; null and absent are no bound. */
static uint64_t check_time(struct check *check, const json_t *range, const char *member)
{
	const json_t *value = json_object_get(range, member);
	double seconds = json_number_value(value);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_number(value)) {
		check_fail(check, CHECK_TYPE, "SerializationException",
			"Member \"%s\" must be a number of seconds since 1970", member);
		return 0;
	}
	if (!(seconds >= 0 && seconds < 1e11)) {
		check_fail(check, CHECK_FORM, "InvalidTimeRangeException",
			"\"%s\" is not a time: give seconds since 1970", member);
		return 0;
	}
	return (uint64_t)(seconds * 1000);
}

static void check_range(struct check *check, struct listing *listing)
{
	const json_t *range = check_object(check, check->call->input, "createTimeRange");
	uint64_t from_ms = range ? check_time(check, range, "start") : 0;
	uint64_t to_ms = range ? check_time(check, range, "end") : 0;

	if (to_ms > 0 && from_ms > to_ms)
		check_fail(check, CHECK_FORM, "InvalidTimeRangeException",
			"\"createTimeRange\" starts after its end");
	listing->filter.created_from_ms = from_ms;
	listing->filter.created_to_ms = to_ms;
}

static void check_external_id(struct check *check)
{
	const char *id = check_string(check, check->call->input, "externalId");

	if (id && *id)
		check_fail(check, CHECK_FORM, "InvalidExternalIdException",
			"\"externalId\" belongs to CloudFormation, which makes no deployments "
			"here");
}

/* False after the call was failed. */
static bool find_group(struct call *call, struct listing *listing)
{
	const struct application *application;
	const struct group *group;

	if (!listing->application_name)
		return true;
	application = check_application(call, listing->application_name);
	group = application ? check_group(call, application, listing->group_name) : NULL;
	if (!group)
		return false;
	listing->filter.group_id = group->id;
	return true;
}

void list_deployments(struct call *call)
{
	struct listing listing = { 0 };
	struct error err = ERROR_NONE;
	struct check check;
	struct page page;
	int r;

	check_init(&check, call);
	check_both_names(&check, &listing);
	check_range(&check, &listing);
	check_statuses(&check, &listing);
	check_external_id(&check);
	page_begin(&page, &check, "nextToken");
	if (!check_passed(&check) || !find_group(call, &listing)) {
		page_done(&page);
		return;
	}
	r = store_page_deployments(call_store(call), &listing.filter, page.after, PAGE_ASK,
		page_add_name, &page, &err);
	page_end(&page, r, call, "deployments", NULL, &err);
}
