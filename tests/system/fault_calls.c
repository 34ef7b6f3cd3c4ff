/* SPDX-License-Identifier: Apache-2.0 */
#include "fault_calls.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Numbers that are the same everywhere and younger than the headers we are built with. */
#ifndef __NR_fchmodat2
#define __NR_fchmodat2 452
#endif
#ifndef __NR_setxattrat
#define __NR_setxattrat 463
#define __NR_removexattrat 466
#endif

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "add the audit architecture and fault.c's registers"
#endif

/* When a call of the right number counts. */
enum condition {
	ALWAYS,
	OPEN_FLAGS,  /* argument 2 creates or truncates */
	OPEN_LEGACY, /* the same, argument 1 */
	OPEN_HOW,    /* the same, in the struct that argument 2 points to */
	REGULAR,     /* the descriptor is a regular file */
	FILE_IOCTL,  /* argument 1 is a request that changes files */
};

/*
 * Where the paths are: fd and path are numbers of arguments, NO for none. A path without fd is
 * relative to the working directory, an fd without path stands for itself.
 */
struct call {
	long nr;
	const char *name;
	unsigned traits;
	enum condition condition;
	int fd, path, fd2, path2;
};

#define NO (-1)
#define C CALL_CHANGES
#define A (CALL_CHANGES | CALL_ALLOCATES)
#define S CALL_SYNCS
#define R CALL_READS
#define M CALL_SENDS
#define CALL(name) __NR_##name, #name

/* clang-format off */
static const struct call calls[] = {
	{ CALL(openat),            A, OPEN_FLAGS,  0, 1, NO, NO },
	{ CALL(openat2),           A, OPEN_HOW,    0, 1, NO, NO },
	{ CALL(write),             A, REGULAR,     0, NO, NO, NO },
	{ CALL(pwrite64),          A, REGULAR,     0, NO, NO, NO },
	{ CALL(writev),            A, REGULAR,     0, NO, NO, NO },
	{ CALL(pwritev),           A, REGULAR,     0, NO, NO, NO },
	{ CALL(pwritev2),          A, REGULAR,     0, NO, NO, NO },
	{ CALL(sendfile),          A, REGULAR,     0, NO, NO, NO },
	{ CALL(copy_file_range),   A, REGULAR,     2, NO, NO, NO },
	{ CALL(splice),            A, REGULAR,     2, NO, NO, NO },
	{ CALL(fallocate),         A, ALWAYS,      0, NO, NO, NO },
	{ CALL(ioctl),             A, FILE_IOCTL,  0, NO, NO, NO },
	{ CALL(truncate),          C, ALWAYS,      NO, 0, NO, NO },
	{ CALL(ftruncate),         C, ALWAYS,      0, NO, NO, NO },
	{ CALL(renameat2),         A, ALWAYS,      0, 1, 2, 3 },
	{ CALL(linkat),            A, ALWAYS,      0, 1, 2, 3 },
	{ CALL(symlinkat),         A, ALWAYS,      1, 2, NO, NO },
	{ CALL(unlinkat),          C, ALWAYS,      0, 1, NO, NO },
	{ CALL(mkdirat),           A, ALWAYS,      0, 1, NO, NO },
	{ CALL(mknodat),           A, ALWAYS,      0, 1, NO, NO },
	{ CALL(fchownat),          C, ALWAYS,      0, 1, NO, NO },
	{ CALL(fchown),            C, ALWAYS,      0, NO, NO, NO },
	{ CALL(fchmodat),          C, ALWAYS,      0, 1, NO, NO },
	{ CALL(fchmodat2),         C, ALWAYS,      0, 1, NO, NO },
	{ CALL(fchmod),            C, ALWAYS,      0, NO, NO, NO },
	{ CALL(utimensat),         C, ALWAYS,      0, 1, NO, NO },
	{ CALL(setxattr),          A, ALWAYS,      NO, 0, NO, NO },
	{ CALL(lsetxattr),         A, ALWAYS,      NO, 0, NO, NO },
	{ CALL(fsetxattr),         A, ALWAYS,      0, NO, NO, NO },
	{ CALL(setxattrat),        A, ALWAYS,      0, 1, NO, NO },
	{ CALL(removexattr),       C, ALWAYS,      NO, 0, NO, NO },
	{ CALL(lremovexattr),      C, ALWAYS,      NO, 0, NO, NO },
	{ CALL(fremovexattr),      C, ALWAYS,      0, NO, NO, NO },
	{ CALL(removexattrat),     C, ALWAYS,      0, 1, NO, NO },
	{ CALL(fsync),             S, ALWAYS,      0, NO, NO, NO },
	{ CALL(fdatasync),         S, ALWAYS,      0, NO, NO, NO },
	{ CALL(syncfs),            S, ALWAYS,      0, NO, NO, NO },
	{ CALL(sync_file_range),   S, ALWAYS,      0, NO, NO, NO },
	{ CALL(sync),              S, ALWAYS,      NO, NO, NO, NO },
#ifdef __NR_rename /* calls that newer architectures do without */
	{ CALL(open),              A, OPEN_LEGACY, NO, 0, NO, NO },
	{ CALL(creat),             A, ALWAYS,      NO, 0, NO, NO },
	{ CALL(rename),            A, ALWAYS,      NO, 0, NO, 1 },
	{ CALL(link),              A, ALWAYS,      NO, 0, NO, 1 },
	{ CALL(symlink),           A, ALWAYS,      NO, 1, NO, NO },
	{ CALL(unlink),            C, ALWAYS,      NO, 0, NO, NO },
	{ CALL(mkdir),             A, ALWAYS,      NO, 0, NO, NO },
	{ CALL(rmdir),             C, ALWAYS,      NO, 0, NO, NO },
	{ CALL(mknod),             A, ALWAYS,      NO, 0, NO, NO },
	{ CALL(chown),             C, ALWAYS,      NO, 0, NO, NO },
	{ CALL(lchown),            C, ALWAYS,      NO, 0, NO, NO },
	{ CALL(chmod),             C, ALWAYS,      NO, 0, NO, NO },
	{ CALL(utime),             C, ALWAYS,      NO, 0, NO, NO },
	{ CALL(utimes),            C, ALWAYS,      NO, 0, NO, NO },
	{ CALL(futimesat),         C, ALWAYS,      0, 1, NO, NO },
	{ CALL(readlink),          R, ALWAYS,      NO, 0, NO, NO },
	{ CALL(stat),              R, ALWAYS,      NO, 0, NO, NO },
	{ CALL(lstat),             R, ALWAYS,      NO, 0, NO, NO },
#endif
#ifdef __NR_renameat
	{ CALL(renameat),          A, ALWAYS,      0, 1, 2, 3 },
#endif
	{ CALL(read),              R, REGULAR,     0, NO, NO, NO },
	{ CALL(pread64),           R, REGULAR,     0, NO, NO, NO },
	{ CALL(readv),             R, REGULAR,     0, NO, NO, NO },
	{ CALL(getdents64),        R, ALWAYS,      0, NO, NO, NO },
	{ CALL(newfstatat),        R, ALWAYS,      0, 1, NO, NO },
	{ CALL(statx),             R, ALWAYS,      0, 1, NO, NO },
	{ CALL(fstat),             R, ALWAYS,      0, NO, NO, NO },
	{ CALL(readlinkat),        R, ALWAYS,      0, 1, NO, NO },
	{ CALL(getxattr),          R, ALWAYS,      NO, 0, NO, NO },
	{ CALL(lgetxattr),         R, ALWAYS,      NO, 0, NO, NO },
	{ CALL(fgetxattr),         R, ALWAYS,      0, NO, NO, NO },
	{ CALL(listxattr),         R, ALWAYS,      NO, 0, NO, NO },
	{ CALL(llistxattr),        R, ALWAYS,      NO, 0, NO, NO },
	{ CALL(flistxattr),        R, ALWAYS,      0, NO, NO, NO },
	{ CALL(sendmsg),           M, ALWAYS,      0, NO, NO, NO },
	{ CALL(sendto),            M, ALWAYS,      0, NO, NO, NO },
};
/* clang-format on */

#define N_CALLS (sizeof(calls) / sizeof(calls[0]))

static bool is_open(const struct call *call)
{
	return call->condition == OPEN_FLAGS || call->condition == OPEN_LEGACY ||
	       call->condition == OPEN_HOW;
}

/* With --reads an open that only reads counts as well. */
static bool call_is_wanted(const struct call *call, unsigned traits)
{
	return (call->traits & traits) || ((traits & CALL_READS) && is_open(call));
}

void calls_make_filter(struct sock_fprog *filter, unsigned traits)
{
	struct sock_filter *code = calloc(2 * N_CALLS + 8, sizeof(*code));
	unsigned short n = 0;

	if (!code)
		err(125, "cannot make the filter");
	code[n++] = (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[n++] = (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < N_CALLS; i++) {
		if (!call_is_wanted(&calls[i], traits))
			continue;
		code[n++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i].nr, 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter->filter = code;
	filter->len = n;
}

static bool read_memory(pid_t task, uint64_t address, void *to, size_t n)
{
	struct iovec local = { to, n };
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): an address of another process */
	struct iovec remote = { (void *)(uintptr_t)address, n };

	return process_vm_readv(task, &local, 1, &remote, 1, 0) == (ssize_t)n;
}

/* Reads up to the NUL; a string may end just before memory that is not there. */
static bool read_text(pid_t task, uint64_t address, char *to, size_t size)
{
	size_t n = 0;

	if (address == 0)
		return false;
	while (n < size) {
		size_t step = 256 - ((address + n) & 255);

		if (step > size - n)
			step = size - n;
		if (!read_memory(task, address + n, to + n, step))
			return false;
		if (memchr(to + n, '\0', step))
			return true;
		n += step;
	}
	return false;
}

static void proc_link(pid_t task, const char *name, char *ret, size_t size)
{
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/%d/%s", task, name);
	n = readlink(link, ret, size - 1);
	ret[n < 0 ? 0 : n] = '\0';
}

static void fd_path(pid_t task, int fd, char *ret, size_t size)
{
	char name[32];

	if (fd == AT_FDCWD)
		(void)strcpy(name, "cwd");
	else
		(void)snprintf(name, sizeof(name), "fd/%d", fd);
	proc_link(task, name, ret, size);
}

/* A path through /proc/self/fd stands for the descriptor itself. */
static bool own_fd_of(const char *text, int *ret)
{
	static const char *const prefixes[] = { "/proc/self/fd/", "/proc/thread-self/fd/" };

	for (size_t i = 0; i < 2; i++) {
		const char *number = text + strlen(prefixes[i]);
		char *end;

		if (strncmp(text, prefixes[i], strlen(prefixes[i])) != 0)
			continue;
		*ret = (int)strtol(number, &end, 10);
		return end != number && *end == '\0';
	}
	return false;
}

static bool argument_path(
	pid_t task, const uint64_t args[static 6], int fd, int path, char *ret, size_t size)
{
	int at = fd == NO ? AT_FDCWD : (int)args[fd];
	char text[2048], base[2000];
	int own;

	if (path == NO || args[path] == 0) {
		fd_path(task, at, ret, size);
		return ret[0] != '\0';
	}
	if (!read_text(task, args[path], text, sizeof(text)))
		return false;
	if (own_fd_of(text, &own)) {
		fd_path(task, own, ret, size);
		return true;
	}
	if (text[0] == '/')
		proc_link(task, "root", base, sizeof(base));
	else
		fd_path(task, at, base, sizeof(base));
	if (strcmp(base, "/") == 0)
		base[0] = '\0';
	if (text[0] == '\0')
		(void)snprintf(ret, size, "%s", base);
	else
		(void)snprintf(ret, size, "%s%s%s", base, text[0] == '/' ? "" : "/", text);
	return true;
}

static bool fd_is_regular(pid_t task, int fd)
{
	char link[64];
	struct stat st;

	(void)snprintf(link, sizeof(link), "/proc/%d/fd/%d", task, fd);
	return stat(link, &st) == 0 && S_ISREG(st.st_mode);
}

static bool flags_change(uint64_t flags)
{
	return (flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE;
}

static bool request_changes(uint64_t request)
{
	return request == FICLONE || request == FICLONERANGE || request == FS_IOC_SETFLAGS ||
	       request == FS_IOC_FSSETXATTR;
}

static bool condition_holds(const struct call *call, pid_t task, const uint64_t args[static 6])
{
	struct open_how how;

	switch (call->condition) {
	case ALWAYS:
		return true;
	case OPEN_FLAGS:
		return flags_change(args[2]);
	case OPEN_LEGACY:
		return flags_change(args[1]);
	case OPEN_HOW:
		return read_memory(task, args[2], &how, sizeof(how)) && flags_change(how.flags);
	case REGULAR:
		return fd_is_regular(task, (int)args[call->fd]);
	case FILE_IOCTL:
		return request_changes((unsigned)args[1]);
	}
	return false;
}

static const struct call *call_find(uint64_t nr)
{
	for (size_t i = 0; i < N_CALLS; i++)
		if ((uint64_t)calls[i].nr == nr)
			return &calls[i];
	return NULL;
}

/* Not on any disk: what no power cut can lose and no full disk refuses. */
static bool path_is_virtual(const char *path)
{
	static const char *const prefixes[] = { "/proc/", "/sys/", "/memfd:", "/dev/null",
		"/dev/pts/", "/dev/tty" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(path, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

bool call_look_at(struct call_site *ret, pid_t task, uint64_t nr, const uint64_t args[static 6],
	unsigned traits)
{
	const struct call *call = call_find(nr);

	ret->path[0] = ret->other[0] = '\0';
	ret->call = call;
	if (!call || !call_is_wanted(call, traits))
		return false;
	if (!condition_holds(call, task, args) && !(is_open(call) && (traits & CALL_READS)))
		return false;
	if (call->fd != NO || call->path != NO)
		(void)argument_path(
			task, args, call->fd, call->path, ret->path, sizeof(ret->path));
	if (call->path2 != NO)
		(void)argument_path(
			task, args, call->fd2, call->path2, ret->other, sizeof(ret->other));
	return !path_is_virtual(ret->path);
}

const char *call_name(const struct call *call)
{
	return call->name;
}

unsigned call_traits(const struct call *call)
{
	return call->traits;
}

void calls_print(void)
{
	for (size_t i = 0; i < N_CALLS; i++)
		(void)printf("%-16s%s%s%s%s%s\n", calls[i].name,
			calls[i].traits & CALL_CHANGES ? " changes" : "",
			calls[i].traits & CALL_ALLOCATES ? " allocates" : "",
			calls[i].traits & CALL_SYNCS ? " syncs" : "",
			calls[i].traits & CALL_READS ? " reads" : "",
			calls[i].traits & CALL_SENDS ? " sends" : "");
}
