/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault: runs a command, follows its whole tree of processes, counts the system calls that
 * change or sync a file system, and strikes at the N-th: kills everything, makes the call fail,
 * or shuts file systems down first, so that what was not synced is lost.
 *
 * Calls are counted over all processes in the order in which they arrive here. A seccomp filter
 * stops only what counts, so that a run costs little more than without us. What is not seen:
 * stores through a shared mapping, and io_uring.
 */
#include "fault_calls.h"

#include <elf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_TROUBLE 125 /* of ours, as timeout(1) and its kin have it */
#define EXIT_KILLED 137  /* the fault killed the command */

#define IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#define SHUTDOWN_LOG_FLUSH 1    /* names and sizes are kept, file contents are lost */
#define SHUTDOWN_NO_LOG_FLUSH 2 /* both are */

enum kind { FAULT_NONE, FAULT_KILL, FAULT_KILL_AFTER, FAULT_ERROR, FAULT_SHUTDOWN };

static struct {
	enum kind kind;
	unsigned long n;
	int error;
	bool for_good; /* the error stays, for all calls that need space */
	unsigned traits;
	bool log;
	unsigned linger_ms;
	const char *only; /* the process name that counts; NULL: all */
	const char *prefixes[16];
	size_t n_prefixes;
	int mount_fds[8];
	size_t n_mounts;
	uint32_t shutdown_how;
	FILE *output;
} options = { .traits = CALL_CHANGES | CALL_SYNCS };

/* A task (thread) that we trace. */
struct task {
	pid_t id;
	int error;       /* its call is skipped and shall return this at its exit stop */
	bool last_words; /* kill the tree at its exit stop */
};

static struct {
	struct task tasks[1024];
	size_t n_tasks;
	pid_t command;
	int status; /* of the command, once gone */
	bool gone;
	bool killing; /* everything is to die */
	bool fired;
	unsigned long n_calls;
} tree;

static volatile sig_atomic_t lingered;
static volatile sig_atomic_t lifted;

static void usage(FILE *to)
{
	(void)fputs(
		"usage: fault [options] -- COMMAND [ARGUMENT...]\n"
		"  --count              only count (the default)\n"
		"  --kill=N             SIGKILL the whole tree before the N-th call\n"
		"  --kill-after=N       the same, right after it\n"
		"  --error=N:ENAME      the N-th call fails with ENOSPC, EIO, ...\n"
		"  --error=N+:ENAME     and from then on every call that needs space, until\n"
		"                       SIGUSR1 comes\n"
		"  --shutdown=N:MOUNT   at the N-th call shut the file system down without\n"
		"                       flushing its log, then kill; may be repeated\n"
		"  --below=DIRECTORY    count only calls on paths below; may be repeated\n"
		"  --reads              count calls that read as well\n"
		"  --syncs              count only calls that sync\n"
		"  --sends              count what is sent over sockets as well\n"
		"  --only=NAME          count only calls of processes of that name (comm); a\n"
		"                       kill is theirs alone, and the rest goes on\n"
		"  --linger=MS          let processes that outlive the command run on for so "
		"long\n"
		"  --log                a line for every call that counts\n"
		"  --output=FILE        log and result go there instead of stderr\n"
		"  --list               print the table of calls\n"
		"Exit status: the command's; 137 if the fault killed it; 125 if this "
		"program failed.\n",
		to);
}

/* ---- the tree of tasks ---- */

static struct task *task_of(pid_t id)
{
	for (size_t i = 0; i < tree.n_tasks; i++)
		if (tree.tasks[i].id == id)
			return &tree.tasks[i];
	if (tree.n_tasks == sizeof(tree.tasks) / sizeof(tree.tasks[0]))
		errx(EXIT_TROUBLE, "more than %zu tasks", tree.n_tasks);
	tree.tasks[tree.n_tasks] = (struct task){ .id = id };
	return &tree.tasks[tree.n_tasks++];
}

static void task_forget(pid_t id)
{
	for (size_t i = 0; i < tree.n_tasks; i++)
		if (tree.tasks[i].id == id)
			tree.tasks[i--] = tree.tasks[--tree.n_tasks];
}

/* What is born while this goes on is killed at its first stop. */
static void tree_kill(void)
{
	tree.killing = true;
	for (size_t i = 0; i < tree.n_tasks; i++)
		(void)kill(tree.tasks[i].id, SIGKILL);
}

static void resume(enum __ptrace_request how, pid_t id, int signal)
{
	if (ptrace(how, id, 0, (long)signal) < 0 && errno != ESRCH)
		err(EXIT_TROUBLE, "cannot resume task %d", id);
}

/* ---- registers ---- */

#if defined(__x86_64__)
static int task_skip_call(pid_t id)
{
	return (int)ptrace(
		PTRACE_POKEUSER, id, offsetof(struct user_regs_struct, orig_rax), -1L);
}

static int task_set_result(pid_t id, long result)
{
	return (int)ptrace(PTRACE_POKEUSER, id, offsetof(struct user_regs_struct, rax), result);
}
#elif defined(__aarch64__)
static int task_skip_call(pid_t id)
{
	int nr = -1;
	struct iovec part = { &nr, sizeof(nr) };

	return (int)ptrace(PTRACE_SETREGSET, id, (long)NT_ARM_SYSTEM_CALL, &part);
}

static int task_set_result(pid_t id, long result)
{
	struct user_regs_struct registers;
	struct iovec part = { &registers, sizeof(registers) };

	if (ptrace(PTRACE_GETREGSET, id, (long)NT_PRSTATUS, &part) < 0)
		return -1;
	registers.regs[0] = (unsigned long long)result;
	return (int)ptrace(PTRACE_SETREGSET, id, (long)NT_PRSTATUS, &part);
}
#endif

/* ---- faults ---- */

static bool path_is_chosen(const char *path)
{
	for (size_t i = 0; i < options.n_prefixes; i++) {
		size_t n = strlen(options.prefixes[i]);

		if (strncmp(path, options.prefixes[i], n) == 0 &&
			(path[n] == '\0' || path[n] == '/' || n == 1))
			return true;
	}
	return options.n_prefixes == 0;
}

static void site_describe(const struct call_site *site, pid_t id, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%lu pid %d %s %s%s%s", tree.n_calls, id,
		call_name(site->call), site->path, site->other[0] ? " -> " : "", site->other);
	/* A name may hold a newline; a report is lines. */
	for (; *ret; ret++)
		if ((unsigned char)*ret < ' ')
			*ret = '?';
}

static void shut_down(void)
{
	for (size_t i = 0; i < options.n_mounts; i++)
		if (ioctl(options.mount_fds[i], IOC_SHUTDOWN, &options.shutdown_how) < 0)
			err(EXIT_TROUBLE, "cannot shut the file system down");
}

static bool fault_is_due(const struct call_site *site)
{
	if (options.kind == FAULT_NONE || lifted)
		return false;
	if (options.for_good && tree.n_calls > options.n)
		return call_traits(site->call) & CALL_ALLOCATES;
	return tree.n_calls == options.n;
}

static void fault_kill(const struct task *task)
{
	if (options.only)
		(void)kill(task->id, SIGKILL);
	else
		tree_kill();
}

/* The task stands before the call. */
static void fault_strike(struct task *task)
{
	switch (options.kind) {
	case FAULT_NONE:
		break;
	case FAULT_SHUTDOWN:
		shut_down();
		tree_kill();
		break;
	case FAULT_KILL:
		fault_kill(task);
		break;
	case FAULT_KILL_AFTER:
		task->last_words = true;
		resume(PTRACE_SYSCALL, task->id, 0);
		break;
	case FAULT_ERROR:
		if (task_skip_call(task->id) < 0)
			err(EXIT_TROUBLE, "cannot skip the call of task %d", task->id);
		task->error = options.error;
		resume(PTRACE_SYSCALL, task->id, 0);
		break;
	}
}

static bool task_is_chosen(pid_t id)
{
	char path[64];
	char name[32] = "";
	FILE *file;

	if (!options.only)
		return true;
	(void)snprintf(path, sizeof(path), "/proc/%d/comm", id);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0';
	(void)fclose(file);
	name[strcspn(name, "\n")] = '\0';
	return strcmp(name, options.only) == 0;
}

static bool site_is_chosen(const struct call_site *site)
{
	return path_is_chosen(site->path) || (site->other[0] && path_is_chosen(site->other)) ||
	       (call_traits(site->call) & CALL_SENDS);
}

static bool site_read(struct call_site *site, pid_t id)
{
	struct __ptrace_syscall_info info;

	if (!task_is_chosen(id))
		return false;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, id, sizeof(info), &info) <= 0 ||
		info.op != PTRACE_SYSCALL_INFO_SECCOMP)
		return false;
	return call_look_at(site, id, info.seccomp.nr, (uint64_t *)info.seccomp.args,
		       options.traits) &&
	       site_is_chosen(site);
}

static void on_call(struct task *task)
{
	struct call_site site;
	char text[9000];

	if (!site_read(&site, task->id)) {
		resume(PTRACE_CONT, task->id, 0);
		return;
	}
	tree.n_calls++;
	if (options.log) {
		site_describe(&site, task->id, text, sizeof(text));
		(void)fprintf(options.output, "call %s\n", text);
	}
	if (!fault_is_due(&site)) {
		resume(PTRACE_CONT, task->id, 0);
		return;
	}
	if (!tree.fired) {
		/* At once: a service may be ended from outside before there is a report. */
		site_describe(&site, task->id, text, sizeof(text));
		(void)fprintf(options.output, "struck at %s\n", text);
		(void)fflush(options.output);
	}
	tree.fired = true;
	fault_strike(task);
}

static void on_call_end(struct task *task)
{
	if (task->last_words) {
		fault_kill(task);
		return;
	}
	if (task->error && task_set_result(task->id, -task->error) < 0 && errno != ESRCH)
		err(EXIT_TROUBLE, "cannot set the result of the call of task %d", task->id);
	task->error = 0;
	resume(PTRACE_CONT, task->id, 0);
}

/* ---- stops ---- */

static bool signal_stops(int signal)
{
	return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

static void on_stop(struct task *task, int status)
{
	int signal = WSTOPSIG(status);

	switch (status >> 16) {
	case PTRACE_EVENT_SECCOMP:
		on_call(task);
		break;
	case PTRACE_EVENT_STOP:
		if (signal_stops(signal))
			resume(PTRACE_LISTEN, task->id, 0);
		else
			resume(PTRACE_CONT, task->id, 0);
		break;
	case 0:
		if (signal == (SIGTRAP | 0x80))
			on_call_end(task);
		else
			resume(PTRACE_CONT, task->id, signal);
		break;
	default:
		resume(PTRACE_CONT, task->id, 0);
	}
}

static void on_linger_end(int signal)
{
	(void)signal;
	lingered = 1;
}

/* The command is gone; what it left behind gets its time and is then killed. */
static void on_command_gone(int status)
{
	struct sigaction action = { .sa_handler = on_linger_end };

	tree.status = status;
	tree.gone = true;
	if (options.linger_ms == 0) {
		tree_kill();
		return;
	}
	(void)sigaction(SIGALRM, &action, NULL);
	(void)ualarm(options.linger_ms * 1000, 0);
}

static void tree_follow(void)
{
	for (;;) {
		int status;
		pid_t id = waitpid(-1, &status, __WALL);

		if (id < 0 && errno == EINTR) {
			if (lingered)
				tree_kill();
			continue;
		}
		if (id < 0)
			return;
		if (!WIFSTOPPED(status)) {
			task_forget(id);
			if (id == tree.command && !tree.gone)
				on_command_gone(status);
		} else if (tree.killing) {
			(void)kill(id, SIGKILL);
		} else {
			on_stop(task_of(id), status);
		}
	}
}

/* ---- start ---- */

static _Noreturn void command_run(char **argv, int go_fd)
{
	struct sock_fprog filter;
	char byte;

	calls_make_filter(&filter, options.traits);
	if (read(go_fd, &byte, 1) != 1)
		_exit(EXIT_TROUBLE);
	/* Root needs no_new_privs as little as the command expects it; others cannot do
	 * without. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0 &&
		(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
			syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0))
		err(EXIT_TROUBLE, "cannot set the filter");
	(void)execvp(argv[0], argv);
	err(127, "cannot run %s", argv[0]);
}

static void command_start(char **argv)
{
	long how = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP |
		   PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
		   PTRACE_O_TRACEEXEC;
	int go[2];

	/* Orphans come to us, so that the end of the tree is known. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 || pipe2(go, O_CLOEXEC) < 0)
		err(EXIT_TROUBLE, "cannot start");
	tree.command = fork();
	if (tree.command < 0)
		err(EXIT_TROUBLE, "cannot fork");
	if (tree.command == 0)
		command_run(argv, go[0]);
	if (ptrace(PTRACE_SEIZE, tree.command, 0, how) < 0)
		err(EXIT_TROUBLE, "cannot trace");
	(void)task_of(tree.command);
	if (write(go[1], "", 1) != 1)
		err(EXIT_TROUBLE, "cannot start");
	(void)close(go[0]);
	(void)close(go[1]);
}

static int report(void)
{
	(void)fprintf(options.output, "calls %lu\n", tree.n_calls);
	if (!tree.fired && options.kind != FAULT_NONE)
		(void)fprintf(options.output, "call %lu was not reached\n", options.n);
	if (tree.fired && options.kind != FAULT_ERROR && !options.only)
		return EXIT_KILLED;
	if (WIFSIGNALED(tree.status)) {
		(void)fprintf(options.output, "signal %d\n", WTERMSIG(tree.status));
		return 128 + WTERMSIG(tree.status);
	}
	(void)fprintf(options.output, "exit %d\n", WEXITSTATUS(tree.status));
	return WEXITSTATUS(tree.status);
}

/* ---- options ---- */

static int error_of_name(const char *name)
{
	for (int error = 1; error < 256; error++) {
		const char *known = strerrorname_np(error);

		if (known && strcmp(known, name) == 0)
			return error;
	}
	errx(EXIT_TROUBLE, "unknown error name '%s'", name);
}

static unsigned long parse_n(const char *text, char **end)
{
	unsigned long n;

	errno = 0;
	n = strtoul(text, end, 10);
	if (errno || *end == text || n == 0)
		errx(EXIT_TROUBLE, "'%s' does not begin with the number of a call", text);
	return n;
}

static void choose(enum kind kind, const char *text)
{
	unsigned long n;
	char *end;

	n = parse_n(text, &end);
	if (options.kind != FAULT_NONE &&
		!(options.kind == FAULT_SHUTDOWN && kind == FAULT_SHUTDOWN && n == options.n))
		errx(EXIT_TROUBLE, "one fault a run");
	options.kind = kind;
	options.n = n;
	if (kind == FAULT_ERROR && *end == '+') {
		options.for_good = true;
		end++;
	}
	if ((kind == FAULT_ERROR || kind == FAULT_SHUTDOWN) != (*end == ':'))
		errx(EXIT_TROUBLE, "'%s' is not understood", text);
	if (kind == FAULT_ERROR)
		options.error = error_of_name(end + 1);
	if (kind == FAULT_SHUTDOWN) {
		int fd = open(end + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0 || options.n_mounts == 8)
			err(EXIT_TROUBLE, "cannot open %s", end + 1);
		options.mount_fds[options.n_mounts++] = fd;
	}
}

static void add_prefix(const char *path)
{
	char *real = realpath(path, NULL);

	if (!real || options.n_prefixes == 16)
		err(EXIT_TROUBLE, "cannot use %s", path);
	options.prefixes[options.n_prefixes++] = real;
}

static void set_output(const char *path)
{
	options.output = fopen(path, "we");
	if (!options.output)
		err(EXIT_TROUBLE, "cannot write %s", path);
}

/* clang-format off */
static const struct option known[] = {
	{ "count",      no_argument,       NULL, 'c' },
	{ "kill",       required_argument, NULL, 'k' },
	{ "kill-after", required_argument, NULL, 'a' },
	{ "error",      required_argument, NULL, 'e' },
	{ "shutdown",   required_argument, NULL, 's' },
	{ "shutdown-flushed", required_argument, NULL, 'f' },
	{ "below",      required_argument, NULL, 'b' },
	{ "reads",      no_argument,       NULL, 'r' },
	{ "syncs",      no_argument,       NULL, 'y' },
	{ "sends",      no_argument,       NULL, 'm' },
	{ "only",       required_argument, NULL, 'p' },
	{ "linger",     required_argument, NULL, 'l' },
	{ "log",        no_argument,       NULL, 'v' },
	{ "output",     required_argument, NULL, 'o' },
	{ "list",       no_argument,       NULL, 't' },
	{ "help",       no_argument,       NULL, 'h' },
	{ 0 },
};
/* clang-format on */

static void option_take(int option)
{
	switch (option) {
	case 'c':
		break;
	case 'k':
		choose(FAULT_KILL, optarg);
		break;
	case 'a':
		choose(FAULT_KILL_AFTER, optarg);
		break;
	case 'e':
		choose(FAULT_ERROR, optarg);
		break;
	case 's':
		options.shutdown_how = SHUTDOWN_NO_LOG_FLUSH;
		choose(FAULT_SHUTDOWN, optarg);
		break;
	case 'f':
		options.shutdown_how = SHUTDOWN_LOG_FLUSH;
		choose(FAULT_SHUTDOWN, optarg);
		break;
	case 'b':
		add_prefix(optarg);
		break;
	case 'r':
		options.traits |= CALL_READS;
		break;
	case 'y':
		options.traits = CALL_SYNCS;
		break;
	case 'm':
		options.traits |= CALL_SENDS;
		break;
	case 'p':
		options.only = optarg;
		break;
	case 'l':
		options.linger_ms = (unsigned)strtoul(optarg, NULL, 10);
		break;
	case 'v':
		options.log = true;
		break;
	case 'o':
		set_output(optarg);
		break;
	case 't':
		calls_print();
		exit(EXIT_SUCCESS);
	case 'h':
		usage(stdout);
		exit(EXIT_SUCCESS);
	default:
		usage(stderr);
		exit(EXIT_TROUBLE);
	}
}

static void parse(int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "+", known, NULL)) >= 0)
		option_take(option);
	if (optind == argc) {
		usage(stderr);
		exit(EXIT_TROUBLE);
	}
}

static void on_lift(int signal)
{
	(void)signal;
	lifted = 1;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_lift, .sa_flags = SA_RESTART };

	options.output = stderr;
	parse(argc, argv);
	(void)sigaction(SIGUSR1, &action, NULL);
	command_start(argv + optind);
	tree_follow();
	return report();
}
