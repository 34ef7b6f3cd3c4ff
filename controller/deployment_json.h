/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "controller/deployments.h"

struct buf;

/* Deployments as the API shows them. */

/*
 * A DeploymentInfo; `open` is NULL if it has ended, else its messages say why it waits. For the
 * caller to release.
 */
json_t *deployment_to_json(
	const struct deployment_record *record, const struct deployment *open);

/* "s3://bucket/key", or "github:account/repository@commit": a revision's canonical text, for
 * people. */
void revision_describe(struct buf *text, const char *revision);
