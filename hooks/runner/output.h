/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "hooks/runner/journal.h"
#include "hooks/runner/log_file.h"
#include "hooks/tail.h"

struct error;
struct request;

enum { OUTPUT_STDOUT, OUTPUT_STDERR, N_OUTPUTS };

/* A line longer than this goes on in another record. */
enum { OUTPUT_LINE_BYTES = 64 * 1024 };

/*
 * What a script says: two pipes in; out to the deployment's scripts.log, to the log over all
 * deployments, to the journal, and into a tail for diagnostics. Each record is one line in the
 * reference's form, with the time at which it was read. Memory does not grow with the output.
 */
struct output {
	struct stream {
		int fd;       /* the reading end; -1 at the end of the stream */
		int write_fd; /* for the script; -1 once it has it */
		ino_t inode;
		const char *mark; /* "[stdout]" */
		int priority;
		size_t held; /* of a line not yet ended */
		char *block; /* OUTPUT_LINE_BYTES */
	} streams[N_OUTPUTS];
	const char *deployment_id; /* borrowed */
	struct log_file scripts;
	struct log_file deployments;
	struct journal journal;
	struct tail tail;
	struct buf to_scripts; /* composed, not yet written */
	struct buf to_deployments;
};

/* The request is borrowed until output_done(), which accepts a zeroed output. */
int output_open(struct output *output, const struct request *request, struct error *err);
void output_done(struct output *output);

/* Logs an entry of our own, such as "Script - scripts/start.sh"; in the files only with what
 * follows, or after output_flush(). */
void output_mark(struct output *output, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void output_flush(struct output *output);

/* Reads one block of a stream that is ready; closes it at its end. */
void output_read(struct output *output, unsigned which);

/* Reads what the pipes hold now, and no more. */
void output_read_rest(struct output *output);

/* Closes our copies of the script's ends, so that the streams can end. */
void output_hand_over(struct output *output);

/* Logs the lines that had no end. The streams stay open if they are. */
void output_finish(struct output *output);

bool output_is_open(const struct output *output);

/* Adds what went wrong with the logs to the notes. */
void output_note(const struct output *output, struct buf *notes);
