/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct error;

#define ANSWER_MAX (4 * 1024 * 1024) /* bytes of head and body */

/* One HTTP/1.1 answer, borrowed from the bytes it was read from. */
struct answer {
	unsigned status;
	const char *body;
	size_t n_body;
	bool is_last;  /* the server closes the connection after it */
	bool is_dated; /* has a Date header, by which clients correct their clock */
};

/*
 * Reads an answer from the start of `bytes`, strictly: the controller always states the length
 * of a body. Returns the bytes it took, 0 if it is not whole yet, -EBADMSG with a sentence.
 */
int answer_read(struct answer *ret, const struct buf *bytes, struct error *err);
