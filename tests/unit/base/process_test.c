/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "unit.h"

START_TEST(a_child_gets_the_descriptors_named_and_no_others)
{
	char *argv[] = { (char *)"/bin/sh", (char *)"-c",
		(char *)"ls /proc/self/fd | tr '\\n' ' ' >&5; printf %s \"$A\" >&5", NULL };
	char *environment[] = { (char *)"A=b", (char *)"PATH=/usr/bin:/bin", NULL };
	cleanup_with(closep) int pidfd = -1;
	struct error err = ERROR_NONE;
	char text[100] = { 0 };
	int pipes[2];
	pid_t pid;

	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	ck_assert_int_eq(process_spawn(&pid, &pidfd,
				 &(struct process_options){
					 .path = "/bin/sh",
					 .argv = argv,
					 .environment = environment,
					 .fds = &(struct process_fd){ pipes[1], 5 },
					 .n_fds = 1,
					 .cwd_fd = -1,
				 },
				 &err),
		0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_gt(read(pipes[0], text, sizeof(text) - 1), 0);
	/* 3 is ls's own directory; 1 is the pipe to tr */
	ck_assert_str_eq(text, "0 1 2 3 5 b");
}
END_TEST

START_TEST(what_cannot_be_executed_is_reported_at_once)
{
	char *argv[] = { (char *)"/nonexistent", NULL };
	struct error err = ERROR_NONE;
	int pidfd;
	pid_t pid;

	ck_assert_int_eq(process_spawn(&pid, &pidfd,
				 &(struct process_options){
					 .path = argv[0], .argv = argv, .cwd_fd = -1 },
				 &err),
		-ENOENT);
	ck_assert_str_eq(err.text, "cannot start /nonexistent: No such file or directory");
}
END_TEST

START_TEST(a_process_is_known_by_its_start_time)
{
	uint64_t first = 0, again = 0;

	ck_assert_int_eq(process_start_time(getpid(), &first), 0);
	ck_assert_int_eq(process_start_time(getpid(), &again), 0);
	ck_assert(first > 0 && first == again);
	ck_assert_int_eq(process_start_time(0x7ffffff0, &first), -ESRCH);
}
END_TEST

TESTS("process", a_child_gets_the_descriptors_named_and_no_others,
	what_cannot_be_executed_is_reported_at_once, a_process_is_known_by_its_start_time)
