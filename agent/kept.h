/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct deployment_request;
struct error;
struct history;
struct options;
struct record;
struct site;

/*
 * A deployment of a revision that is kept on this host: what redeploy and rollback share.
 * Without a group nothing can be redeployed; then, and if several match, -EINVAL.
 */
int kept_prepare(struct site *site, const struct options *options, const char *command,
	struct history *ret, struct error *err);

/* The record of what is installed. -EINVAL if nothing is, or if this host does not know what.
 */
int kept_installed(const struct site *site, const struct history *history,
	const struct record **ret, struct error *err);

/*
 * The newest deployment that succeeded, is kept, and is of another revision than `installed`,
 * which may be NULL. -EINVAL if there is none.
 */
int kept_other_good(const struct site *site, const struct history *history,
	const struct record *installed, const struct record **ret, struct error *err);

/* Runs the deployment of that record's kept bundle. Returns the exit status. */
int kept_run(struct site *site, const struct options *options, const char *command,
	const struct record *record, struct deployment_request *request);
