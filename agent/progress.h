/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct loop;

/*
 * One line on a terminal that says what takes so long: nothing within the first second of a
 * step, then redrawn in place, cut to the terminal's width, gone when the step is over. Nothing
 * at all where standard error is no terminal that can do so.
 */
struct progress;

/* NULL if there is no terminal; every function here accepts that. */
struct progress *progress_new(struct loop *loop);
void progress_free(struct progress *progress);

/* A new step; `label` is copied. */
void progress_begin(struct progress *progress, const char *label);

/* total_bytes 0: unknown. */
void progress_update(
	struct progress *progress, uint64_t bytes, uint64_t files, uint64_t total_bytes);

/* The step is over. */
void progress_end(struct progress *progress);

/* Takes the line away, so that something else can be printed. */
void progress_hide(struct progress *progress);
