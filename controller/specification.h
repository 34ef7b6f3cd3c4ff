/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "controller/rollout_event.h"

struct deployment;
struct error;
struct settings;

enum { EXECUTION_ID_LENGTH = 129 };

/*
 * What a deployment tells the agents of its hosts: the document that is signed. All members are
 * as AWS's agents of both lines read them.
 *
 * archive: the deployment whose unpacked bundle the host should use again; NULL for none.
 *
 * -EINVAL, with a sentence for the host's diagnostics, if the revision is of a kind that no
 * agent can fetch. *ret is the caller's to release.
 */
int specification_make(json_t **ret, const struct deployment *deployment, const char *archive,
	struct error *err);

/* What binds a specification to one host, for agents of ours: the member "Drover". */
struct specification_binding {
	const char *host_identifier;
	const char *order; /* the execution id by which it was asked for */
	uint64_t sequence; /* greater than that of any order before */
	uint64_t issued_ms;
	uint64_t not_after_ms;
	enum rollout_lifecycle lifecycle;
};
void specification_bind(json_t *specification, const struct specification_binding *binding);

/*
 * The handle by which agents ask for a specification, "REGION/ACCOUNT/DEPLOYMENT/1"; it names
 * the deployment alone, so it means the same after a restart.
 */
void specification_execution_id(const struct settings *settings, const char *deployment_id,
	char ret[static EXECUTION_ID_LENGTH + 1]);

/*
 * The deployment that it names. What stands before it is not looked at: region and account are
 * settings, which may have changed since. -EINVAL if it has not the form.
 */
int specification_parse_execution_id(
	const char *text, char *ret_deployment_id, size_t size, struct error *err);
