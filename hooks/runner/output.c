/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/runner/output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/time.h"
#include "hooks/record.h"
#include "hooks/runner/note.h"

enum { WRITE_BYTES = 256 * 1024, PIPE_BYTES = 256 * 1024 };

static int open_stream(struct stream *stream, const char *mark, int priority, struct error *err)
{
	struct stat st;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot make a pipe for the script: %m");
	stream->fd = ends[0];
	stream->write_fd = ends[1];
	stream->mark = mark;
	stream->priority = priority;
	stream->block = xmalloc(OUTPUT_LINE_BYTES);
	/* Only our end: a script must not meet EAGAIN. */
	(void)fcntl(stream->fd, F_SETFL, O_NONBLOCK);
	(void)fcntl(stream->fd, F_SETPIPE_SZ, PIPE_BYTES); /* fewer wake-ups, if allowed */
	if (fstat(stream->fd, &st) == 0)
		stream->inode = st.st_ino;
	return 0;
}

int output_open(struct output *output, const struct request *request, struct error *err)
{
	int r;

	*output = (struct output){ .deployment_id = request->deployment_id };
	for (unsigned i = 0; i < N_OUTPUTS; i++)
		output->streams[i].fd = output->streams[i].write_fd = -1;
	log_file_open(&output->scripts, request->scripts_log, false);
	log_file_open(&output->deployments, request->deployments_log, true);
	journal_open(&output->journal, request);
	r = open_stream(&output->streams[OUTPUT_STDOUT], "[stdout]", 6, err);
	if (r == 0)
		r = open_stream(&output->streams[OUTPUT_STDERR], "[stderr]", 5, err);
	return r;
}

void output_done(struct output *output)
{
	for (unsigned i = 0; i < N_OUTPUTS; i++) {
		if (!output->streams[i].block)
			continue;
		closep(&output->streams[i].fd);
		closep(&output->streams[i].write_fd);
		free(output->streams[i].block);
	}
	if (output->deployment_id) {
		log_file_done(&output->scripts);
		log_file_done(&output->deployments);
		journal_done(&output->journal);
	}
	buf_done(&output->to_scripts);
	buf_done(&output->to_deployments);
	*output = (struct output){ 0 };
}

void output_flush(struct output *output)
{
	log_file_write(&output->scripts, output->to_scripts.data, output->to_scripts.len);
	log_file_write(
		&output->deployments, output->to_deployments.data, output->to_deployments.len);
	buf_clear(&output->to_scripts);
	buf_clear(&output->to_deployments);
}

/* What stands before each record of a block: made once, since a block is read at one time. */
struct prefixes {
	uint64_t now_boot_ms;
	size_t scripts_len;
	size_t deployments_len;
	char scripts[64];
	char deployments[400];
};

static void make_prefixes(struct prefixes *ret, const struct output *output, const char *mark)
{
	uint64_t now_ms = time_now_ms();
	char local[20];
	int n;

	ret->now_boot_ms = time_boot_ms();
	time_format_local(now_ms, local);
	ret->scripts_len = (size_t)snprintf(
		ret->scripts, sizeof(ret->scripts), "%s %s", local, mark);
	n = snprintf(ret->deployments, sizeof(ret->deployments), "[%s.%03u] [%s]%s", local,
		(unsigned)(now_ms % 1000), output->deployment_id, mark);
	ret->deployments_len = (size_t)n < sizeof(ret->deployments)
				       ? (size_t)n
				       : sizeof(ret->deployments) - 1;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

/* The reference strips the entries of the log over all deployments. */
static size_t stripped_length(const char *line, size_t n)
{
	while (n > 0 && is_blank(line[n - 1]))
		n--;
	return n;
}

static void log_record(
	struct output *output, const struct prefixes *prefixes, const char *line, size_t n)
{
	buf_append(&output->to_scripts, prefixes->scripts, prefixes->scripts_len);
	buf_append(&output->to_scripts, line, n);
	buf_putc(&output->to_scripts, '\n');
	if (output->deployments.path) {
		buf_append(&output->to_deployments, prefixes->deployments,
			prefixes->deployments_len);
		buf_append(&output->to_deployments, line, stripped_length(line, n));
		buf_putc(&output->to_deployments, '\n');
	}
	if (output->to_scripts.len >= WRITE_BYTES || output->to_deployments.len >= WRITE_BYTES)
		output_flush(output);
}

static void add_to_tail(struct output *output, const char *mark, const char *line, size_t n)
{
	tail_add(&output->tail, mark, strlen(mark));
	tail_add(&output->tail, line, n);
	tail_add(&output->tail, "\n", 1);
}

void output_mark(struct output *output, const char *format, ...)
{
	cleanup_with(freep) char *text = NULL;
	struct prefixes prefixes;
	va_list ap;

	va_start(ap, format);
	text = xvasprintf(format, ap);
	va_end(ap);
	make_prefixes(&prefixes, output, "");
	log_record(output, &prefixes, text, strlen(text));
	add_to_tail(output, "", text, strlen(text));
	if (!strchr(text, '\n')) /* which would begin another field */
		journal_write(&output->journal, 6, text, strlen(text), prefixes.now_boot_ms);
}

/* Where to cut a line that does not fit: between two characters, if it is text at all. */
static size_t cut_of_long_line(const char *line, size_t n)
{
	size_t cut = n;

	while (cut > n - 4 && ((unsigned char)line[cut - 1] & 0xc0) == 0x80)
		cut--;
	/* The first byte of a character whose rest may still come. */
	if (cut > n - 4 && ((unsigned char)line[cut - 1] & 0xc0) == 0xc0)
		return cut - 1;
	return n;
}

static void take_records(struct output *output, struct stream *stream, size_t n_new)
{
	const char *at = stream->block;
	const char *end = stream->block + stream->held + n_new;
	const char *scan = at + stream->held; /* what was held has no newline */
	const char *newline;
	struct prefixes prefixes;

	make_prefixes(&prefixes, output, stream->mark);
	while ((newline = memchr(scan, '\n', (size_t)(end - scan)))) {
		size_t n = (size_t)(newline - at);

		log_record(output, &prefixes, at, n);
		/* Later lines of this block push earlier ones out of the tail anyway. */
		if (end - newline < 2 * TAIL_BYTES)
			add_to_tail(output, stream->mark, at, n);
		journal_write(&output->journal, stream->priority, at, n, prefixes.now_boot_ms);
		at = scan = newline + 1;
	}
	if (at == stream->block && end == stream->block + OUTPUT_LINE_BYTES) {
		size_t n = cut_of_long_line(at, OUTPUT_LINE_BYTES);

		log_record(output, &prefixes, at, n);
		add_to_tail(output, stream->mark, at, n);
		journal_write(&output->journal, stream->priority, at, n, prefixes.now_boot_ms);
		at += n;
	}
	stream->held = (size_t)(end - at);
	memmove(stream->block, at, stream->held);
	output_flush(output);
}

/* The last line of a stream need not have a newline. */
static void end_line(struct output *output, struct stream *stream)
{
	struct prefixes prefixes;

	if (stream->held == 0)
		return;
	make_prefixes(&prefixes, output, stream->mark);
	log_record(output, &prefixes, stream->block, stream->held);
	add_to_tail(output, stream->mark, stream->block, stream->held);
	journal_write(&output->journal, stream->priority, stream->block, stream->held,
		prefixes.now_boot_ms);
	stream->held = 0;
	output_flush(output);
}

void output_read(struct output *output, unsigned which)
{
	struct stream *stream = &output->streams[which];
	ssize_t n = read(
		stream->fd, stream->block + stream->held, OUTPUT_LINE_BYTES - stream->held);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		take_records(output, stream, (size_t)n);
		return;
	}
	end_line(output, stream);
	closep(&stream->fd);
	stream->fd = -1;
}

void output_read_rest(struct output *output)
{
	for (unsigned i = 0; i < N_OUTPUTS; i++)
		for (int blocks = 0; blocks <= PIPE_BYTES / OUTPUT_LINE_BYTES; blocks++)
			if (output->streams[i].fd >= 0)
				output_read(output, i);
}

void output_hand_over(struct output *output)
{
	for (unsigned i = 0; i < N_OUTPUTS; i++) {
		closep(&output->streams[i].write_fd);
		output->streams[i].write_fd = -1;
	}
}

void output_finish(struct output *output)
{
	for (unsigned i = 0; i < N_OUTPUTS; i++)
		end_line(output, &output->streams[i]);
	output_flush(output);
}

bool output_is_open(const struct output *output)
{
	return output->streams[OUTPUT_STDOUT].fd >= 0 || output->streams[OUTPUT_STDERR].fd >= 0;
}

void output_note(const struct output *output, struct buf *notes)
{
	log_file_note(&output->scripts, notes);
	log_file_note(&output->deployments, notes);
	if (output->journal.left_out > 0)
		note(notes,
			"%" PRIu64 " lines of output are not in the journal, which has a limit",
			output->journal.left_out);
}
