/* SPDX-License-Identifier: Apache-2.0 */

/*
 * inject PID [NUMBER...]
 *
 * Makes another process do system calls, each with all arguments 0, and prints what each
 * returned: so a test sees what a process that was taken over could do. The process must be
 * waiting in a system call; it is left as it was. Exits with 77 where this is not known how to
 * do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#ifdef __x86_64__
#include <sys/user.h>

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static void await_stop(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		die("the process did not stop");
}

/* Stopped within a system call, it stands behind the instruction that made it. */
static long call(pid_t pid, const struct user_regs_struct *kept, unsigned long number)
{
	struct user_regs_struct regs = *kept;

	regs.rip -= 2;
	regs.rax = number;
	regs.orig_rax = -1UL; /* no restart of the interrupted call */
	regs.rdi = regs.rsi = regs.rdx = regs.r10 = regs.r8 = regs.r9 = 0;
	if (ptrace(PTRACE_SETREGS, pid, 0, &regs) < 0 ||
		ptrace(PTRACE_SINGLESTEP, pid, 0, 0) < 0)
		die("cannot make it do a system call");
	await_stop(pid);
	if (ptrace(PTRACE_GETREGS, pid, 0, &regs) < 0)
		die("cannot see what it returned");
	return (long)regs.rax;
}

int main(int argc, char **argv)
{
	pid_t pid = argc > 1 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
	struct user_regs_struct regs;
	long instruction;

	if (pid <= 0)
		return 2;
	if (ptrace(PTRACE_ATTACH, pid, 0, 0) < 0)
		die("cannot attach");
	await_stop(pid);
	if (ptrace(PTRACE_GETREGS, pid, 0, &regs) < 0)
		die("cannot read registers");
	errno = 0;
	instruction = ptrace(PTRACE_PEEKTEXT, pid, regs.rip - 2, 0);
	if (errno != 0 || (instruction & 0xffff) != 0x050f) {
		(void)fprintf(stderr, "the process is not within a system call\n");
		return EXIT_FAILURE;
	}
	for (int i = 2; i < argc; i++)
		printf("%s %ld\n", argv[i], call(pid, &regs, strtoul(argv[i], NULL, 10)));
	if (ptrace(PTRACE_SETREGS, pid, 0, &regs) < 0 || ptrace(PTRACE_DETACH, pid, 0, 0) < 0)
		die("cannot let it go on");
	return 0;
}
#else
int main(void)
{
	return 77;
}
#endif
