/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/unpack/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

enum {
	/* xz -9 and zstd with its widest default window decode in 64 and 128 MiB; the libraries
	 * take up most of the rest. */
	MEMORY_MIB = 640,
	OPEN_FILES = 32,
};

/* gcc says by a macro that the address sanitizer is at work, clang by a feature. */
#if defined(__SANITIZE_ADDRESS__)
#define RESERVES_TERABYTES true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RESERVES_TERABYTES true
#endif
#endif
#ifndef RESERVES_TERABYTES
#define RESERVES_TERABYTES false
#endif

static int enter(int directory_fd, struct error *err)
{
	if (fchdir(directory_fd) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return error_set(
			err, -errno, "cannot confine itself to the directory to be filled: %m");
	return 0;
}

static int limit(int resource, rlim_t value, struct error *err)
{
	struct rlimit both = { value, value };

	if (setrlimit(resource, &both) < 0)
		return error_set(err, -errno, "cannot set a resource limit: %m");
	return 0;
}

static int limit_resources(struct error *err)
{
	int r = limit(RLIMIT_CORE, 0, err);

	if (r == 0)
		r = limit(RLIMIT_NOFILE, OPEN_FILES, err);
	if (r == 0 && !RESERVES_TERABYTES)
		r = limit(RLIMIT_AS, (rlim_t)MEMORY_MIB << 20, err);
	return r;
}

static int drop_capabilities(struct error *err)
{
	const uint32_t kept = 1U << CAP_CHOWN | 1U << CAP_FOWNER | 1U << CAP_FSETID |
			      1U << CAP_DAC_OVERRIDE;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { .effective = kept, .permitted = kept } };
	int r = 0;

	if (prctl(PR_SET_SECUREBITS, SECURE_ALL_BITS | SECURE_ALL_LOCKS, 0, 0, 0) < 0)
		return error_set(err, -errno, "cannot give up root's privileges: %m");
	/* Ends at the first capability that this kernel does not know. */
	for (unsigned long cap = 0; r == 0; cap++)
		r = prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (errno != EINVAL)
		return error_set(err, -errno, "cannot give up root's capabilities: %m");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
		syscall(SYS_capset, &header, data) < 0)
		return error_set(err, -errno, "cannot give up root's capabilities: %m");
	return 0;
}

static int close_doors(struct error *err)
{
	pid_t parent = getppid();

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return error_set(err, -errno, "cannot confine itself: %m");
	/* It may have died just before that. */
	if (getppid() != parent)
		return error_set(err, -ESRCH, "was started by a process that is gone");
	return 0;
}

/* clang-format off */
static const int allowed[] = {
	/* the archive and the control pipe */
	SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(lseek), SCMP_SYS(_llseek),
	SCMP_SYS(write), SCMP_SYS(close), SCMP_SYS(fadvise64), SCMP_SYS(fcntl), SCMP_SYS(fcntl64),
	SCMP_SYS(fstat), SCMP_SYS(fstat64), SCMP_SYS(newfstatat), SCMP_SYS(fstatat64), SCMP_SYS(statx),
	/* the directory; there is nothing else below our root */
	SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(mkdirat), SCMP_SYS(symlinkat), SCMP_SYS(linkat),
	SCMP_SYS(unlinkat), SCMP_SYS(pwrite64), SCMP_SYS(ftruncate), SCMP_SYS(ftruncate64),
	SCMP_SYS(fchown), SCMP_SYS(fchownat), SCMP_SYS(fchmod), SCMP_SYS(fchmodat),
	SCMP_SYS(utimensat), SCMP_SYS(utimensat_time64), SCMP_SYS(fsetxattr),
	SCMP_SYS(sync_file_range), SCMP_SYS(sync_file_range2), SCMP_SYS(getdents64),
	/* memory, threads that exist, clocks, the end */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(futex), SCMP_SYS(futex_time64), SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64),
	SCMP_SYS(gettimeofday), SCMP_SYS(getrandom), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(restart_syscall), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(tgkill),
	SCMP_SYS(sched_yield), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
	SCMP_SYS(exit), SCMP_SYS(exit_group),
};
/* clang-format on */

static void release_filter(scmp_filter_ctx *filter)
{
	seccomp_release(*filter);
}

/* What is not allowed fails with EPERM rather than killing: a library's call that nobody
 * thought of then ends in an error that names it, and does as little. */
static int filter_system_calls(struct error *err)
{
	cleanup_with(release_filter)
		scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = filter ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(allowed); i++)
		if (allowed[i] >= 0) /* negative: unknown on this architecture */
			r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	/* Memory, but never code. */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = seccomp_load(filter);
	return r < 0 ? error_set(err, r, "cannot restrict its system calls: %m") : 0;
}

int confine(int directory_fd, struct error *err)
{
	int r;

	if (geteuid() != 0)
		return error_set(err, -EPERM, "unpacking an archive needs root");
	(void)umask(0);
	r = enter(directory_fd, err);
	if (r == 0)
		r = limit_resources(err);
	if (r == 0)
		r = drop_capabilities(err);
	if (r == 0)
		r = close_doors(err);
	if (r == 0)
		r = filter_system_calls(err);
	return r;
}
