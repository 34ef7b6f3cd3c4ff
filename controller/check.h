/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "controller/model.h"

struct call;

/*
 * What a client sent, looked at member by member. A handler reads all members in a straight
 * line, in the order of its operation's error list, then asks check_passed() once; values read
 * before that may be the empty ones of a failed check. Of several failures the client is told
 * the one that AWS tells first: wrong JSON types before absent members, those before wrong
 * forms; of one kind the first. What exists and in which state it is, comes after
 * check_passed().
 *
 * Unknown members are ignored and null is absent, as AWS has it. Values are borrowed from the
 * input.
 */
enum {
	TAGS_LIMIT = 50,   /* of one host or resource, and in one call */
	BATCH_LIMIT = 100, /* names in one call */
};

enum check_stage { CHECK_TYPE, CHECK_REQUIRED, CHECK_FORM, CHECK_PASSED };

struct check {
	struct call *call;
	enum check_stage stage; /* of the failure, if there was one */
	const char *type;
	char text[1024];
};

void check_init(struct check *check, struct call *call);

/* Notes a failure: the exception's name on the wire, and a sentence for the client. */
void check_fail(struct check *check, enum check_stage stage, const char *type,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

/* False after the call was failed with what was noted; the handler then returns. */
bool check_passed(struct check *check);

/* ---- members of any object of the input; absent or failed: NULL, false, `otherwise` */

const char *check_string(struct check *check, const json_t *object, const char *member);
bool check_bool(struct check *check, const json_t *object, const char *member, bool otherwise);
int64_t check_integer(
	struct check *check, const json_t *object, const char *member, int64_t otherwise);
const json_t *check_object(struct check *check, const json_t *object, const char *member);
const json_t *check_list(struct check *check, const json_t *object, const char *member);

/* A list whose elements are strings, or objects. */
const json_t *check_strings(struct check *check, const json_t *object, const char *member);
const json_t *check_objects(struct check *check, const json_t *object, const char *member);

bool check_has(const json_t *object, const char *member);

/* A text of at most `limit` characters; more is the exception `invalid`. */
const char *check_text(struct check *check, const json_t *object, const char *member,
	size_t limit, const char *invalid);

/* One of the NULL-terminated words: its index; -1 if absent; else the exception `invalid`. */
int check_word(struct check *check, const json_t *object, const char *member,
	const char *const *words, const char *invalid);

/* ---- names */

/* 1 to 100 of letters, digits, and . _ + = , @ - */
struct name_rule {
	const char *member;   /* "applicationName" */
	const char *what;     /* "application name" */
	const char *required; /* exception if absent or empty */
	const char *invalid;  /* exception for a wrong form */
	bool is_host;         /* then it does not begin with "i-" */
};

extern const struct name_rule APPLICATION_NAME;
extern const struct name_rule GROUP_NAME;
extern const struct name_rule CONFIG_NAME;
extern const struct name_rule HOST_NAME; /* instanceName */

/* A required member of the input. */
const char *check_name(struct check *check, const struct name_rule *rule);

/* The same by another name ("newApplicationName"). */
const char *check_required_name(
	struct check *check, const struct name_rule *rule, const char *member);

/* The same if it need not be there; absent or empty is NULL. */
const char *check_name_member(
	struct check *check, const struct name_rule *rule, const char *member);

/*
 * A required list of such names in `member`, not empty. More than `limit` is the exception
 * `too_many`.
 */
const json_t *check_names(struct check *check, const struct name_rule *rule, const char *member,
	size_t limit, const char *too_many);

/* ---- other values */

/*
 * Tags as [{"Key", "Value"}] in `member` of the input: keys of 1 to 128 characters, none twice,
 * values of up to 256; wrong ones are the exception `invalid`. Absent: no tags. The result is
 * for tags_done().
 */
void check_tags(struct check *check, const char *member, const char *invalid, struct tags *ret);

/* "computePlatform" of the input: Server, which is the default. */
void check_platform(struct check *check);

/* "deploymentId" of the input: required. */
const char *check_deployment_id(struct check *check);

/* How many characters the UTF-8 text has. */
size_t check_n_characters(const char *text);

/* ---- after check_passed(): the call is failed if there is none */

struct application *check_application(struct call *call, const char *name);
struct group *check_group(
	struct call *call, const struct application *application, const char *name);
struct deployment_config *check_config(struct call *call, const char *name);

struct error;

/* The store could not be read: 500, for which clients try again. */
void check_internal(struct call *call, const struct error *err);
