/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct error;

/* What a host was told to deploy, and whether an agent may believe it. */
struct specification {
	bool is_ours;     /* in the form for agents of ours: CMS, bound to one host */
	char *payload;    /* the signed text it was read from */
	bool is_signed;   /* the signature is that of the certificate inside */
	char *deployment; /* its id */
	char *group;      /* its id */
	char *revision;   /* what names the revision: object key, commit, path */
	char *creator;
	json_t *content;
};

/* The latest ones, so that a thousand hosts verify what they share once. */
#define SPECIFICATIONS_KEPT 16
struct specifications {
	struct specification kept[SPECIFICATIONS_KEPT];
	size_t next;
};
void specifications_done(struct specifications *specifications);

/*
 * Opens GetDeploymentSpecification's answer and checks every member that an agent needs.
 * Returns 0 with *ret valid until SPECIFICATIONS_KEPT others were read, or -EBADMSG with the
 * sentence that an agent reports.
 */
struct specification_reader {
	const char *host_identifier;
	const char *execution;
	const char *event;
	bool is_ours; /* which form it must have */
};
int specification_read(struct specifications *specifications, const json_t *answer,
	const struct specification_reader *reader, const struct specification **ret,
	struct error *err);
