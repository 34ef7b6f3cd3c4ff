/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/lock.h"

#include <fcntl.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/root.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/time.h"
#include "unit.h"

static struct root root;

static void take_first(struct lock *lock)
{
	ck_assert_int_eq(root_open(&root, test_dir(), true, NULL), 0);
	ck_assert_int_eq(lock_take(lock, &root, "g", "first", 0, NULL), 0);
}

START_TEST(the_second_is_told_who_holds_it)
{
	struct lock first = { -1 }, second = { -1 };
	struct error err = ERROR_NONE;

	take_first(&first);
	lock_set_deployment(&first, "first", "d-1");
	ck_assert_int_eq(lock_take(&second, &root, "g", "second", 0, &err), -EBUSY);
	ck_assert_int_eq(second.fd, -1);
	ck_assert_ptr_eq(
		strstr(err.text, "group g is busy: deployment d-1 (first by "), err.text);
	lock_release(&first);
	ck_assert_int_eq(lock_take(&second, &root, "g", "second", 0, &err), 0);
	lock_release(&second);
}
END_TEST

START_TEST(another_group_is_free)
{
	struct lock first = { -1 }, second = { -1 };

	take_first(&first);
	ck_assert_int_eq(lock_take(&second, &root, "h", "second", 0, NULL), 0);
	lock_release(&first);
	lock_release(&second);
}
END_TEST

START_TEST(waiting_ends_in_time)
{
	struct lock first = { -1 }, second = { -1 };
	uint64_t began_ms;

	take_first(&first);
	began_ms = time_boot_ms();
	ck_assert_int_eq(lock_take(&second, &root, "g", "second", 500, NULL), -EBUSY);
	ck_assert_uint_ge(time_boot_ms() - began_ms, 500);
	lock_release(&first);
}
END_TEST

START_TEST(a_child_that_inherits_it_keeps_it)
{
	struct lock first = { -1 };
	cleanup_with(freep) char *holder = NULL;
	int hold[2];
	pid_t child;
	char byte;

	take_first(&first);
	ck_assert_int_eq(pipe2(hold, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		(void)close(hold[1]);
		_exit(read(hold[0], &byte, 1) == 0 ? 0 : 1);
	}
	(void)close(hold[0]);
	lock_release(&first);
	holder = lock_holder(&root, "g");
	ck_assert_ptr_nonnull(holder);
	(void)close(hold[1]);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_ptr_null(lock_holder(&root, "g"));
}
END_TEST

START_TEST(to_look_takes_nothing)
{
	struct lock first = { -1 };

	ck_assert_int_eq(root_open(&root, test_dir(), true, NULL), 0);
	ck_assert_ptr_null(lock_holder(&root, "g"));
	ck_assert_int_ne(faccessat(root.instructions_fd, "g-lock", F_OK, 0), 0);
	ck_assert_int_eq(lock_take(&first, &root, "g", "first", 0, NULL), 0);
	lock_release(&first);
	ck_assert_ptr_null(lock_holder(&root, "g"));
}
END_TEST

TESTS("agent/lock", the_second_is_told_who_holds_it, another_group_is_free,
	waiting_ends_in_time, a_child_that_inherits_it_keeps_it, to_look_takes_nothing)
