/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct error;

/*
 * Typed access to JSON documents (jansson) with errors that name the member. Strings are
 * borrowed from the document. The `get` forms need the member; the `find` forms leave *ret
 * alone if it is absent or null. Release with
 * cleanup_with(json_decrefp).
 */
/* Reads an object of at most `limit` bytes from a file. `ret` is the caller's to release. */
int json_read_file(json_t **ret, int dirfd, const char *path, size_t limit, struct error *err);

/* Parses n bytes that must be an object. */
int json_parse_object(json_t **ret, const char *text, size_t n, struct error *err);

/* Replaces a file atomically with the document on one line and a newline, mode 0600 unless
 * given. */
int json_write_file(
	const json_t *json, int dirfd, const char *path, unsigned mode, struct error *err);

int json_get_string(
	const json_t *object, const char *member, const char **ret, struct error *err);
int json_get_integer(const json_t *object, const char *member, int64_t *ret, struct error *err);
int json_find_string(
	const json_t *object, const char *member, const char **ret, struct error *err);
int json_find_integer(
	const json_t *object, const char *member, int64_t *ret, struct error *err);
int json_find_bool(const json_t *object, const char *member, bool *ret, struct error *err);

/*
 * A JSON string from any bytes: what is not UTF-8 becomes U+FFFD (jansson refuses such text).
 * Never NULL.
 */
json_t *json_text(const char *text);
json_t *json_text_n(const char *text, size_t n);
