/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/worker.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "unit.h"

/* What a worker said, and how it ended. */
struct heard {
	struct loop *loop;
	struct worker *worker;
	unsigned n_findings;
	uint64_t files;
	char summary[64];
	int r;
	struct error err;
};

static void on_progress(uint64_t bytes, uint64_t files, void *userdata)
{
	struct heard *heard = userdata;

	(void)bytes;
	heard->files = files;
}

static void on_finding(enum severity severity, const char *text, void *userdata)
{
	struct heard *heard = userdata;

	ck_assert_int_eq(severity, SEVERITY_WARNING);
	ck_assert_uint_gt(strlen(text), 0);
	heard->n_findings++;
}

static void on_summary(const char *text, void *userdata)
{
	struct heard *heard = userdata;

	(void)strncpy(heard->summary, text, sizeof(heard->summary) - 1);
}

static void on_done(int r, const struct error *err, void *userdata)
{
	struct heard *heard = userdata;

	heard->r = r;
	heard->err = *err;
	worker_free(heard->worker);
	loop_exit(heard->loop, 0);
}

static void start(struct heard *heard, worker_function *function)
{
	const struct worker_callbacks callbacks = { on_progress, on_finding, on_summary,
		on_done, heard };

	ck_assert_int_eq(loop_new(&heard->loop, NULL), 0);
	ck_assert_int_eq(worker_start(&heard->worker, heard->loop, "the test", function, heard,
				 &callbacks, NULL),
		0);
}

static void finish(struct heard *heard)
{
	ck_assert_int_eq(loop_run(heard->loop, NULL), 0);
	loop_free(heard->loop);
}

static int say_much(struct worker_link *link, void *argument, struct error *err)
{
	cleanup_with(freep) char *line = xcalloc(1, 1001);

	(void)argument;
	(void)err;
	memset(line, 'x', 1000);
	worker_send_progress(link, 5, 7);
	for (int i = 0; i < 1000; i++)
		worker_send_finding(link, SEVERITY_WARNING, line);
	worker_send_summary(link, "much");
	return 3;
}

START_TEST(all_that_is_said_arrives_before_the_end)
{
	struct heard heard = { 0 };

	start(&heard, say_much);
	finish(&heard);
	ck_assert_int_eq(heard.r, 3);
	ck_assert_uint_eq(heard.n_findings, 1000);
	ck_assert_uint_eq(heard.files, 7);
	ck_assert_str_eq(heard.summary, "much");
}
END_TEST

static int give_up(struct worker_link *link, void *argument, struct error *err)
{
	(void)link;
	(void)argument;
	return error_set(err, -ENOSPC, "no room for it");
}

START_TEST(a_failure_keeps_its_code_and_words)
{
	struct heard heard = { 0 };

	start(&heard, give_up);
	finish(&heard);
	ck_assert_int_eq(heard.r, -ENOSPC);
	ck_assert_str_eq(heard.err.text, "no room for it");
}
END_TEST

static int wait_for_ever(struct worker_link *link, void *argument, struct error *err)
{
	(void)link;
	(void)argument;
	(void)err;
	while (pause() < 0)
		;
	return 0;
}

START_TEST(one_that_is_killed_was_cancelled)
{
	struct heard heard = { 0 };

	start(&heard, wait_for_ever);
	worker_kill(heard.worker);
	finish(&heard);
	ck_assert_int_eq(heard.r, -ECANCELED);
	ck_assert_str_eq(heard.err.text, "the test was cancelled");
}
END_TEST

static int die(struct worker_link *link, void *argument, struct error *err)
{
	(void)link;
	(void)argument;
	(void)err;
	_exit(9);
}

START_TEST(one_that_dies_has_no_result)
{
	struct heard heard = { 0 };

	start(&heard, die);
	finish(&heard);
	ck_assert_int_eq(heard.r, -EIO);
	ck_assert_str_eq(heard.err.text, "the test ended without a result (exit status 9)");
}
END_TEST

TESTS("agent/worker", all_that_is_said_arrives_before_the_end,
	a_failure_keeps_its_code_and_words, one_that_is_killed_was_cancelled,
	one_that_dies_has_no_result)
