/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/door/confine.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

/* A sanitizer looks for leaks at the end by opening files and tracing itself: builds with one
 * are for tests, and are not locked in. gcc says so by a macro, clang by a feature. */
#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED true
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED false
#endif

/* The same numbers everywhere; kernel headers may be older than the kernel. */
enum {
	CREATE_RULESET = 444,
	RESTRICT_SELF = 446,
	CREATE_RULESET_VERSION = 1 << 0,
};

static int close_ways_in(struct error *err)
{
	struct rlimit none = { 0, 0 };
	pid_t parent = getppid();

	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return error_set(err, -errno, "cannot confine itself: %m");
	/* It may have died just before that. */
	if (getppid() != parent)
		return error_set(err, -ESRCH, "was started by a process that is gone");
	return 0;
}

/* The newest struct we know; older kernels take its beginning, or say E2BIG. */
struct ruleset {
	uint64_t access_fs;
	uint64_t access_net;
	uint64_t scoped;
};

/* By the version of the kernel's interface (landlock(7)): what each knows of, all of it. */
static const struct {
	size_t size;
	struct ruleset ruleset;
} rulesets[] = {
	/* clang-format off */
	{ 8, { 0x1fff, 0, 0 } },   /* 1: files */
	{ 8, { 0x3fff, 0, 0 } },   /* 2: and links between directories */
	{ 8, { 0x7fff, 0, 0 } },   /* 3: truncation */
	{ 16, { 0x7fff, 3, 0 } },  /* 4: bind and connect of TCP */
	{ 16, { 0xffff, 3, 0 } },  /* 5: ioctl of devices */
	{ 24, { 0xffff, 3, 3 } },  /* 6: abstract sockets and signals */
	/* clang-format on */
};

/* A ruleset without a rule allows nothing of what it names. The filter of system calls below
 * says the same: this one holds where that has a hole, and the other way round. */
static int forbid_files(struct error *err)
{
	cleanup_with(closep) int fd = -1;
	long version = syscall(CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION);
	size_t i;

	if (version <= 0)
		return 0; /* not in this kernel, or switched off */
	i = (size_t)version < ARRAY_SIZE(rulesets) ? (size_t)version : ARRAY_SIZE(rulesets);
	fd = (int)syscall(CREATE_RULESET, &rulesets[i - 1].ruleset, rulesets[i - 1].size, 0);
	if (fd < 0 || syscall(RESTRICT_SELF, fd, 0) < 0)
		return error_set(err, -errno, "cannot give up files by Landlock: %m");
	return 0;
}

/* clang-format off */
static const int allowed[] = {
	/* connections, the channel, standard error */
	SCMP_SYS(accept4), SCMP_SYS(read), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(recv),
	SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(send),
	SCMP_SYS(shutdown), SCMP_SYS(close), SCMP_SYS(getsockopt),
	SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64),
	/* memory, clocks, randomness, the end */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(futex), SCMP_SYS(futex_time64), SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64),
	SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(restart_syscall), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(sched_yield), SCMP_SYS(exit), SCMP_SYS(exit_group),
};
/* clang-format on */

static void release_filter(scmp_filter_ctx *filter)
{
	seccomp_release(*filter);
}

static int allow_if(scmp_filter_ctx filter, int call, struct scmp_arg_cmp argument)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, argument);
}

static int add_rules(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(allowed); i++)
		if (allowed[i] >= 0) /* negative: unknown on this architecture */
			r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	/* Memory, but never code. */
	if (r == 0)
		r = allow_if(filter, SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = allow_if(
			filter, SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	/* abort() */
	if (r == 0)
		r = allow_if(
			filter, SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	return r;
}

/* What is not allowed fails with EPERM rather than killing: a library's call that nobody
 * thought of then costs one connection, and does as little. */
static int filter_system_calls(struct error *err)
{
	cleanup_with(release_filter)
		scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = filter ? add_rules(filter) : -ENOMEM;

	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = seccomp_load(filter);
	return r < 0 ? error_set(err, r, "cannot restrict its system calls: %m") : 0;
}

int confine(struct error *err)
{
	int r = close_ways_in(err);

	if (r == 0 && !IS_SANITIZED)
		r = forbid_files(err);
	if (r == 0 && !IS_SANITIZED)
		r = filter_system_calls(err);
	return r;
}
