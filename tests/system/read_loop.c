/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a file and a symbolic link over and over while deployments replace them, as a busy
 * server would, and counts what no reader may ever see: nothing there, a part, or a mixture.
 *
 *   read_loop FILE LINK      until SIGTERM; then one line of JSON, and status 1 if it saw one
 *
 * A whole file is `lines` times the same line, "revision <name>"; the link's text is
 * "revision-<name>".
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIMIT = 1 << 20 };

static volatile sig_atomic_t is_over;

struct tally {
	unsigned long reads, versions;
	unsigned long missing, partial, mixed, bad_links;
	size_t size;   /* of a whole file, from the first read */
	char last[64]; /* the newest version's line */
};

static void on_term(int number)
{
	(void)number;
	is_over = 1;
}

static ssize_t read_whole(const char *path, char *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t r = fd < 0 ? -1 : 1;

	while (r > 0 && n < LIMIT) {
		r = read(fd, text + n, LIMIT - n);
		if (r > 0)
			n += (size_t)r;
	}
	if (fd >= 0)
		(void)close(fd);
	return r < 0 ? -1 : (ssize_t)n;
}

static bool is_one_line_repeated(const char *text, size_t n, size_t length)
{
	/* A run of equal lines is the same as itself shifted by one line. */
	return n % length == 0 && memcmp(text, text + length, n - length) == 0;
}

static void look_at_file(const char *path, char *text, struct tally *tally)
{
	ssize_t n = read_whole(path, text);
	const char *end = n > 0 ? memchr(text, '\n', (size_t)n) : NULL;
	size_t length = end ? (size_t)(end - text) + 1 : 0;

	tally->reads++;
	if (n < 0) {
		tally->missing++;
		return;
	}
	if (tally->size == 0)
		tally->size = (size_t)n;
	if ((size_t)n != tally->size || length == 0 || length >= sizeof(tally->last)) {
		tally->partial++;
		return;
	}
	if (!is_one_line_repeated(text, (size_t)n, length))
		tally->mixed++;
	if (strncmp(tally->last, text, length) != 0) {
		(void)snprintf(tally->last, sizeof(tally->last), "%.*s", (int)length, text);
		tally->versions++;
	}
}

static void look_at_link(const char *path, struct tally *tally)
{
	char text[64];
	ssize_t n = readlink(path, text, sizeof(text));

	if (n <= 9 || n == sizeof(text) || strncmp(text, "revision-", 9) != 0)
		tally->bad_links++;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_term };
	struct tally tally = { 0 };
	char *text = malloc(LIMIT);

	if (argc != 3 || !text) {
		(void)fprintf(stderr, "use: read_loop FILE LINK\n");
		free(text);
		return 2;
	}
	(void)sigaction(SIGTERM, &action, NULL);
	while (!is_over) {
		look_at_file(argv[1], text, &tally);
		look_at_link(argv[2], &tally);
	}
	free(text);
	(void)printf("{\"reads\": %lu, \"versions\": %lu, \"missing\": %lu, \"partial\": %lu, "
		     "\"mixed\": %lu, \"bad_links\": %lu}\n",
		tally.reads, tally.versions, tally.missing, tally.partial, tally.mixed,
		tally.bad_links);
	return tally.missing + tally.partial + tally.mixed + tally.bad_links ? 1 : 0;
}
