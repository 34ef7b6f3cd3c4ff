/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/fleet.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "controller/store.h"

/* The fleet as the store holds it. */

struct fleet_loader {
	struct store_loader loader;
	struct fleet *fleet;
	struct error *err;
};

static struct fleet_loader *self(struct store_loader *loader)
{
	return container_of(loader, struct fleet_loader, loader);
}

/* What the store holds twice was not written by us. */
static int load_check(struct fleet_loader *load, int r, const char *what, const char *name)
{
	if (r == -EEXIST)
		return error_set(
			load->err, -EBADMSG, "the database holds %s %s twice", what, name);
	return r;
}

static int on_application(struct store_loader *loader, struct application *application)
{
	struct fleet_loader *load = self(loader);
	int r = fleet_add_application(load->fleet, application);

	if (r < 0) {
		r = load_check(load, r, "application", application->name);
		free(application);
	}
	return r;
}

static int on_config(struct store_loader *loader, struct deployment_config *config)
{
	struct fleet_loader *load = self(loader);
	int r = fleet_add_config(load->fleet, config);

	if (r < 0) {
		r = load_check(load, r, "configuration", config->name);
		free(config);
	}
	return r;
}

static int on_group(
	struct store_loader *loader, struct group *group, const char *application_name)
{
	struct fleet_loader *load = self(loader);
	int r;

	group->application = fleet_find_application(load->fleet, application_name);
	if (!group->application) {
		r = error_set(load->err, -EBADMSG,
			"the database holds group %s of an application that it does not hold",
			group->name);
	} else {
		r = group_read_settings(group, load->err);
		if (r == 0)
			r = load_check(load, fleet_add_group(load->fleet, group), "group",
				group->name);
	}
	if (r < 0)
		group_free(group);
	return r;
}

static int on_host(struct store_loader *loader, struct host *host)
{
	struct fleet_loader *load = self(loader);
	int r = fleet_add_host(load->fleet, host);

	if (r < 0) {
		r = load_check(load, r, "host", host->name);
		host_free(host);
	}
	return r;
}

static int on_key(struct store_loader *loader, struct key *key)
{
	struct fleet_loader *load = self(loader);
	int r = fleet_add_key(load->fleet, key);

	if (r < 0) {
		r = load_check(load, r, "key", key->id);
		key_free(key);
	}
	return r;
}

int fleet_load(struct fleet *fleet, struct store *store, struct error *err)
{
	struct error reason = ERROR_NONE;
	struct fleet_loader load = {
		.loader = {
			.on_application = on_application,
			.on_config = on_config,
			.on_group = on_group,
			.on_host = on_host,
			.on_key = on_key,
		},
		.fleet = fleet,
		.err = &reason,
	};
	int r = store_load(store, &load.loader, err);

	if (r < 0 && reason.code < 0 && err)
		*err = reason;
	return r;
}
