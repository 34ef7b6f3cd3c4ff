/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/unpack/confine.h"
#include "agent/unpack/extract.h"
#include "agent/unpack/message.h"
#include "agent/unpack/reader.h"
#include "agent/unpack/stream.h"
#include "agent/unpack/unpack.h"
#include "base/error.h"

/*
 * drover-unpack MAX-ENTRIES MAX-BYTES MAX-RATIO: started by the agent with descriptors that
 * unpack.h names. It meets the bytes of an archive only after it has locked itself in.
 */
static int parse(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	return errno != 0 || end == text || *end ? -EINVAL : 0;
}

static int parse_all(struct extract_request *ret, int argc, char **argv)
{
	uint64_t ratio;

	if (argc != 4 || parse(argv[1], &ret->max_entries) < 0 ||
		parse(argv[2], &ret->max_bytes) < 0 || parse(argv[3], &ratio) < 0 ||
		ratio == 0 || ratio > UINT32_MAX)
		return -EINVAL;
	ret->max_ratio = (unsigned)ratio;
	return 0;
}

/* The archive is read where the page cache has it: what somebody has cut off is not there. */
static char cut_off[MESSAGE_BYTES_MAX];
static size_t cut_off_bytes;

static void on_bus_error(int number)
{
	(void)number;
	(void)!write(UNPACK_CONTROL_FD, cut_off, cut_off_bytes); /* nobody is left to be told */
	_exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	struct extract_request request = {
		.archive_fd = UNPACK_ARCHIVE_FD,
		.directory_fd = UNPACK_DIRECTORY_FD,
		.control_fd = UNPACK_CONTROL_FD,
	};
	struct error err = ERROR_NONE;
	bool wrapped = false;
	int r;

	if (parse_all(&request, argc, argv) < 0) {
		(void)fprintf(stderr, "%s is started by drover-agent, not by hand\n", argv[0]);
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* a write to a reader that is gone fails instead */
	cut_off_bytes = message_format_result(cut_off, -EIO, false, STREAM_CUT_OFF);
	(void)signal(SIGBUS, on_bus_error);
	reader_prepare();
	r = confine(request.directory_fd, &err);
	if (r == 0)
		r = extract(&request, &wrapped, &err);
	if (message_send_result(request.control_fd, r, wrapped, err.text) < 0)
		r = -EPIPE;
	/* Nothing to flush; and libraries' exit handlers may want what is forbidden now. */
	_exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
