/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* What every program does at its beginning and its end. */

/*
 * First of all in main(): 0, 1 and 2 are open, so that no file is taken for one of them;
 * SIGPIPE is ignored, so that a reader of our output that goes away ends nothing half-way; the
 * log is open.
 */
void program_start(void);

/*
 * The exit status once all is printed: `status`, unless standard output could not be written
 * whole, as on a full disk; that is said, and `lost` is the status. A reader that went away has
 * what it wanted.
 */
int program_finish_output(int status, int lost);

/* Says on standard error that there is no verb `word`, and which of `names` is near it. */
void program_refuse_verb(const char *word, const char *const *names, size_t n);
