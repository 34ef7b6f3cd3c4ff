/* SPDX-License-Identifier: Apache-2.0 */
#include "base/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/suggest.h"

static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC); /* children get their own */
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		(void)close(fd);
}

void program_start(void)
{
	fill_standard_descriptors();
	(void)signal(SIGPIPE, SIG_IGN);
	log_open();
}

static bool is_reader_gone(void)
{
	struct pollfd output = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&output, 1, 0) > 0 && (output.revents & POLLERR);
}

int program_finish_output(int status, int lost)
{
	bool is_lost = fflush(stdout) != 0 || ferror(stdout);

	if (!is_lost || is_reader_gone())
		return status;
	fprintf(stderr, "%s: standard output could not be written; it is not complete\n",
		program_invocation_short_name);
	return lost;
}

void program_refuse_verb(const char *word, const char *const *names, size_t n)
{
	const char *near = suggest(word, names, n);

	fprintf(stderr, "%s: there is no verb '%s'%s%s%s\n%s --help lists what there is\n",
		program_invocation_short_name, word, near ? "; did you mean " : "",
		near ? near : "", near ? "?" : "", program_invocation_short_name);
}
