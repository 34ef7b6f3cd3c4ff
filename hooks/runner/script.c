/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/runner/script.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "hooks/record.h"
#include "hooks/runner/account.h"
#include "hooks/runner/output.h"

enum { SOCKET_FD = 3 }; /* in the child, closed by exec */

static enum hook_code say(
	enum hook_code code, struct error *err, int r, const char *location, const char *why)
{
	(void)error_set(err, r, "script %s %s", location, why);
	return code;
}

static enum hook_code cannot_open(int r, const char *location, struct error *err)
{
	if (r == -ENOENT || r == -ENOTDIR)
		return say(HOOK_SCRIPT_MISSING, err, r, location, "is not in the bundle");
	if (r == -EXDEV)
		return say(HOOK_SCRIPT_FAILED, err, r, location, "leads outside the bundle");
	if (r == -ELOOP)
		return say(HOOK_SCRIPT_FAILED, err, r, location, "is a link that never ends");
	(void)error_set(err, r, "cannot open script %s: %m", location);
	return HOOK_SCRIPT_FAILED;
}

/* Returns a descriptor, or the negative errno of a bundle directory or a script. */
static int open_script(const struct request *request, const char *location, struct error *err)
{
	cleanup_with(closep) int bundle_fd = open(
		request->bundle_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (bundle_fd < 0)
		return error_set(
			err, -errno, "cannot open the bundle %s: %m", request->bundle_dir);
	/* Non-blocking: a fifo in place of a script must not hold us. */
	return file_open_beneath(bundle_fd, location, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
}

static enum hook_code check_mode(int fd, const char *location, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return say(HOOK_SCRIPT_FAILED, err, -errno, location, "cannot be looked at");
	if (S_ISDIR(st.st_mode))
		return say(HOOK_SCRIPT_FAILED, err, -EISDIR, location,
			"is a directory, not a script");
	if (!S_ISREG(st.st_mode))
		return say(HOOK_SCRIPT_FAILED, err, -EINVAL, location,
			"is a special file, not a script");
	if ((st.st_mode & 0111) == 0 && fchmod(fd, (st.st_mode & 07777) | 0111) < 0) {
		(void)error_set(err, -errno,
			"script %s is not executable and cannot be made so: %m", location);
		return HOOK_NOT_EXECUTABLE;
	}
	return HOOK_SUCCEEDED;
}

enum hook_code script_find(struct script *ret, const struct request *request, struct error *err)
{
	const char *location = request->location + strspn(request->location, "/");
	cleanup_with(closep) int fd = open_script(request, location, err);
	char head[SHEBANG_HEAD_BYTES];
	enum hook_code code;
	ssize_t n;

	*ret = (struct script){ .socket = -1 };
	if (fd < 0)
		return err->code ? HOOK_SCRIPT_MISSING
				 : cannot_open(fd, request->location, err);
	code = check_mode(fd, request->location, err);
	if (code != HOOK_SUCCEEDED)
		return code;
	n = pread(fd, head, sizeof(head), 0);
	shebang_parse(&ret->shebang, head, n > 0 ? (size_t)n : 0);
	ret->path = path_join(request->bundle_dir, location);
	return HOOK_SUCCEEDED;
}

void script_done(struct script *script)
{
	free(script->path);
	script->path = NULL;
	if (script->socket > 0)
		closep(&script->socket);
	script->socket = -1;
}

/* ---- in the child ---- */

static void reset_signals(void)
{
	/* As the kernel knows it, all zero for the default: sigaction() keeps two signals for
	 * libc's own use, and posix_spawn() leaves these ignored. */
	static const unsigned long by_default[8];
	sigset_t none;

	for (int number = 1; number < NSIG; number++) /* KILL and STOP refuse, which is fine */
		(void)syscall(SYS_rt_sigaction, number, by_default, NULL, sizeof(uint64_t));
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int set_descriptors(const struct output *output, int socket, struct error *err)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* The pipes and the socket were made by a process whose 0, 1 and 2 are in use, so all
	 * of them are above; only the socket may be in another's way. */
	if (null < 0 || dup2(null, 0) < 0 ||
		dup2(output->streams[OUTPUT_STDOUT].write_fd, 1) < 0 ||
		dup2(output->streams[OUTPUT_STDERR].write_fd, 2) < 0 ||
		(socket != SOCKET_FD && dup3(socket, SOCKET_FD, O_CLOEXEC) < 0))
		return error_set(err, -errno, "cannot give the script its descriptors: %m");
	(void)syscall(SYS_close_range, SOCKET_FD + 1, ~0U, 0);
	return 0;
}

static bool is_set_by_us(const char *variable)
{
	static const char *const names[] = { "HOME=", "USER=", "LOGNAME=", "SHELL=" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static char **environment_for(const struct request *request, const struct account *account)
{
	char **environment;
	size_t n = 0;

	while (request->environment[n])
		n++;
	environment = xcalloc(n + 5, sizeof(*environment));
	n = 0;
	for (char **at = request->environment; *at; at++)
		if (!is_set_by_us(*at))
			environment[n++] = *at;
	environment[n++] = xasprintf("HOME=%s", account->home);
	environment[n++] = xasprintf("USER=%s", account->name);
	environment[n++] = xasprintf("LOGNAME=%s", account->name);
	environment[n++] = xasprintf("SHELL=%s", account->shell);
	return environment;
}

static int explain_missing(const struct script *script, struct error *err)
{
	const struct shebang *shebang = &script->shebang;

	if (shebang->present && shebang->crlf)
		return error_set(err, -ENOENT,
			"cannot execute %s: its first line ends in CR LF, so that the kernel "
			"looks for "
			"an interpreter named \"%s\" with a carriage return; save it with Unix "
			"line "
			"ends (dos2unix)",
			script->path, shebang->interpreter);
	if (shebang->present)
		return error_set(err, -ENOENT,
			"cannot execute %s: its interpreter %s does not exist", script->path,
			shebang->interpreter[0] ? shebang->interpreter : "(none named)");
	if (shebang->elf)
		return error_set(err, -ENOENT,
			"cannot execute %s: the program's loader does not exist", script->path);
	return error_set(err, -ENOENT, "cannot execute %s: %m", script->path);
}

static int explain_refused(
	const struct script *script, const struct account *account, struct error *err)
{
	struct statvfs fs;

	if (statvfs(script->path, &fs) == 0 && (fs.f_flag & ST_NOEXEC))
		return error_set(err, -EACCES,
			"cannot execute %s: its file system is mounted noexec", script->path);
	if (script->shebang.present && access(script->path, X_OK) == 0)
		return error_set(err, -EACCES,
			"cannot execute %s: user %s may not execute its interpreter %s",
			script->path, account->name, script->shebang.interpreter);
	return error_set(err, -EACCES,
		"cannot execute %s: user %s may not (look at its mode and those of the "
		"directories "
		"above it)",
		script->path, account->name);
}

static int explain(const struct script *script, const struct account *account, int error,
	struct error *err)
{
	if (error == ENOENT)
		return explain_missing(script, err);
	if (error == EACCES)
		return explain_refused(script, account, err);
	if (error == ENOEXEC)
		return error_set(err, -ENOEXEC,
			script->shebang.present ? "cannot execute %s: its first line \"#!\" "
						  "names no interpreter that "
						  "can run"
						: "cannot execute %s: it is a program for "
						  "another kind of machine",
			script->path);
	return error_set(err, -error, "cannot execute %s: %m", script->path);
}

/* Returns only on failure. */
static int execute(const struct script *script, const struct account *account,
	char *const *environment, struct error *err)
{
	char *argv[] = { script->path, NULL };
	char *sh_argv[] = { (char *)"/bin/sh", script->path, NULL };
	int error;

	(void)execve(script->path, argv, environment);
	error = errno;
	if (error == ENOEXEC && !script->shebang.elf && !script->shebang.present) {
		(void)execve(sh_argv[0], sh_argv, environment);
		error = errno;
	}
	return explain(script, account, error, err);
}

static int become_script(const struct script *script, const struct request *request,
	pid_t runner, struct error *err)
{
	/* sudo: true without runas is the reference's "sudo SCRIPT", which means root. */
	const char *user = !request->runas && request->sudo && geteuid() != 0 ? "0"
									      : request->runas;
	struct account account;
	char **environment;
	int r = account_find(&account, user, err);

	if (r < 0)
		return r;
	environment = environment_for(request, &account);
	(void)umask(request->umask);
	/* Before the user changes: the reference starts anywhere, whoever may look. */
	if (chdir(request->working_dir) < 0)
		return error_set(
			err, -errno, "cannot change to directory %s: %m", request->working_dir);
	r = user ? account_assume(&account, err) : 0;
	if (r < 0)
		return r;
	/* A killed runner must not leave a script that nobody watches. Changing users clears
	 * this, so it comes after. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != runner)
		_exit(127);
	return execute(script, &account, environment, err);
}

static void __attribute__((noreturn)) child(const struct script *script,
	const struct request *request, const struct output *output, int socket, pid_t runner)
{
	struct error err = ERROR_NONE;
	char go;

	closep(&(int){ script->socket });
	if (read(socket, &go, 1) != 1)
		_exit(127); /* the runner died before it said so */
	(void)setsid();
	reset_signals();
	if (set_descriptors(output, socket, &err) == 0) {
		(void)become_script(script, request, runner, &err);
		socket = SOCKET_FD;
	}
	(void)send(socket, err.text, strlen(err.text), MSG_NOSIGNAL);
	_exit(127);
}

int script_fork(struct script *script, const struct request *request,
	const struct output *output, struct error *err)
{
	pid_t runner = getpid();
	int ends[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return error_set(err, -errno, "cannot make a socket pair: %m");
	script->socket = ends[0];
	script->pid = fork();
	if (script->pid == 0)
		child(script, request, output, ends[1], runner);
	r = -errno;
	(void)close(ends[1]);
	if (script->pid < 0)
		return error_set(err, r, "cannot start a process for the script: %m");
	return 0;
}

void script_release(struct script *script)
{
	(void)send(script->socket, "", 1, MSG_NOSIGNAL); /* its death is seen elsewhere */
}

char *script_failure(struct script *script)
{
	char text[sizeof(((struct error *)0)->text)];
	ssize_t n = read(script->socket, text, sizeof(text));

	closep(&script->socket);
	script->socket = -1;
	return n > 0 ? xstrndup(text, (size_t)n) : NULL;
}
