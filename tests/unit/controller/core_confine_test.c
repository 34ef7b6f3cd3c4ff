/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/core_confine.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "unit.h"

/* LeakSanitizer asks: it would look for leaks by ptrace(), which the filter forbids. */
int __lsan_is_turned_off(void); /* NOLINT(bugprone-reserved-identifier): its name */
int __lsan_is_turned_off(void)  /* NOLINT(bugprone-reserved-identifier) */
{
	return 1;
}

/* Check runs each test in a process of its own. */
static void confine(void)
{
	struct error err = ERROR_NONE;

	ck_assert_msg(core_confine(&err) == 0, "%s", err.text);
}

START_TEST(there_is_no_way_to_a_network)
{
	static const int families[] = { AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	confine();
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		ck_assert_int_eq(socket(families[i], SOCK_STREAM | SOCK_CLOEXEC, 0), -1);
		ck_assert_int_eq(errno, EPERM);
	}
	ck_assert_int_eq(listen(fd, 1), -1);
	ck_assert_int_eq(errno, EPERM);
	(void)close(fd);
}
END_TEST

START_TEST(no_program_can_be_run)
{
	char *const argv[] = { "true", NULL };

	confine();
	ck_assert_int_eq(execv("/bin/true", argv), -1);
	ck_assert_int_eq(errno, EPERM);
}
END_TEST

START_TEST(no_other_process_can_be_looked_into)
{
	char byte = 0;
	struct iovec iov = { &byte, 1 };

	confine();
	ck_assert_int_eq(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(process_vm_readv(getppid(), &iov, 1, &iov, 1, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 0);
}
END_TEST

TESTS("core_confine", there_is_no_way_to_a_network, no_program_can_be_run,
	no_other_process_can_be_looked_into)
