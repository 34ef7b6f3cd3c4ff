/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct request;

/*
 * The journal's copy of a script's output: one message a line, with DEPLOYMENT_ID,
 * LIFECYCLE_EVENT and DROVER_SCRIPT.
 *
 * By the documented datagrams and not by sd_journal_send(), which waits for a journal that
 * hangs: the script's clock must not depend on that. What the journal does not take at once is
 * left out, and so is what exceeds 10,000 lines in 30 s, where journald itself stops listening
 * by default. The log on disk has everything.
 */
struct journal {
	int fd; /* -1: no journal */
	char *fields;
	size_t fields_len;
	uint64_t window_ms; /* when the current 30 s began, by the boot clock */
	unsigned in_window;
	uint64_t left_out;
};

void journal_open(struct journal *journal, const struct request *request);
void journal_done(struct journal *journal);

/* A line without its newline. priority: as syslog's, 6 is informational. */
void journal_write(struct journal *journal, int priority, const char *line, size_t n,
	uint64_t now_boot_ms);
