/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/runner/journal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "hooks/record.h"

enum { WINDOW_MS = 30000, LIMIT_LINES = 10000, PATIENCE_MS = 20 };

/* A value that holds a newline would end its field: no such value gets in. */
static void append_field(struct buf *fields, const char *name, const char *value)
{
	if (!strchr(value, '\n'))
		buf_printf(fields, "%s=%s\n", name, value);
}

void journal_open(struct journal *journal, const struct request *request)
{
	const struct sockaddr_un address = {
		.sun_family = AF_UNIX,
		.sun_path = "/run/systemd/journal/socket",
	};
	cleanup_with(closep) int fd = -1;
	struct buf fields = { 0 };

	*journal = (struct journal){ .fd = -1 };
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return;
	append_field(&fields, "SYSLOG_IDENTIFIER", "drover-hook");
	append_field(&fields, "DEPLOYMENT_ID", request->deployment_id);
	append_field(&fields, "LIFECYCLE_EVENT", request->event);
	append_field(&fields, "DROVER_SCRIPT", request->location);
	journal->fields_len = fields.len;
	journal->fields = buf_steal(&fields);
	journal->fd = take_fd(&fd);
}

void journal_done(struct journal *journal)
{
	closep(&journal->fd);
	journal->fd = -1;
	free(journal->fields);
	journal->fields = NULL;
}

static bool is_within_budget(struct journal *journal, uint64_t now_boot_ms)
{
	if (journal->window_ms == 0 || now_boot_ms - journal->window_ms >= WINDOW_MS) {
		journal->window_ms = now_boot_ms;
		journal->in_window = 0;
	}
	return journal->in_window++ < LIMIT_LINES;
}

static bool send_patiently(int fd, const struct msghdr *message)
{
	struct pollfd writable = { .fd = fd, .events = POLLOUT };

	if (sendmsg(fd, message, MSG_NOSIGNAL) >= 0)
		return true;
	return errno == EAGAIN && poll(&writable, 1, PATIENCE_MS) == 1 &&
	       sendmsg(fd, message, MSG_NOSIGNAL) >= 0;
}

void journal_write(
	struct journal *journal, int priority, const char *line, size_t n, uint64_t now_boot_ms)
{
	char head[32];
	struct iovec parts[4] = {
		{ journal->fields, journal->fields_len },
		{ head, 0 },
		{ (char *)line, n },
		{ (char *)"\n", 1 },
	};
	const struct msghdr message = { .msg_iov = parts, .msg_iovlen = 4 };

	if (journal->fd < 0)
		return;
	parts[1].iov_len = (size_t)snprintf(
		head, sizeof(head), "PRIORITY=%d\nMESSAGE=", priority);
	if (!is_within_budget(journal, now_boot_ms)) {
		journal->left_out++;
		return;
	}
	if (!send_patiently(journal->fd, &message)) {
		/* It hangs or floods: nothing more until the next window. */
		journal->left_out++;
		journal->in_window = LIMIT_LINES;
	}
}
