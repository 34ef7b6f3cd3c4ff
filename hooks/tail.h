/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/*
 * The last bytes of a stream of log entries, for diagnostics: at most 2,048 bytes of valid
 * UTF-8, cut between characters, however long the last line is. One per event; what each script
 * gave is added in turn.
 */
enum { TAIL_BYTES = 2048 };

/* Zero it to begin. Nothing to release. */
struct tail {
	size_t end;  /* where the next byte goes */
	size_t held; /* how many bytes are there, up to TAIL_BYTES */
	char ring[TAIL_BYTES];
};

void tail_add(struct tail *tail, const char *data, size_t n);

/* The text, with what is not UTF-8 replaced by U+FFFD; the caller frees. */
char *tail_text(const struct tail *tail);
