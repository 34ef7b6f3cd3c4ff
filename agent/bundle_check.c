/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/bundle_check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/bundle_targets.h"
#include "appspec/appspec.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/file.h"
#include "base/suggest.h"

enum {
	FIRST_LINE_BYTES = 4096, /* far more than the kernel reads of a #! line */
	LIMIT_FINDINGS = 200,
	LIMIT_NEIGHBOURS = 256 /* names looked at for a suggestion */
};

struct check {
	int bundle_fd;
	const struct appspec *spec;
	struct diagnostics *problems;
	size_t n_before;           /* problems there were already */
	enum severity unstartable; /* how bad a script is that no host can start */
};

#define add(check, severity, mark, id, ...)                                                    \
	diagnostics_add((check)->problems, severity, (check)->spec->name, (mark).line,         \
		(mark).column, id, __VA_ARGS__)

/* The id of a finding that is an error to the author alone. */
#define unstartable_id(check, name)                                                            \
	((check)->unstartable == SEVERITY_ERROR ? "E-" name : "W-" name)

/* Opens what a bundle path names, "" being the bundle itself. Returns the fd or a negative
 * errno. */
static int open_in_bundle(const struct check *check, const char *path, int flags)
{
	return file_open_beneath(check->bundle_fd, path[0] ? path : ".", flags, 0);
}

/* The names in a directory of the bundle, as many as fit; the caller frees each. */
static size_t list_names(const struct check *check, const char *directory, char **ret)
{
	cleanup_with(closedirp) DIR *dir = NULL;
	const struct dirent *entry;
	size_t n = 0;
	int fd = open_in_bundle(check, directory, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return 0;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return 0;
	}
	while (n < LIMIT_NEIGHBOURS && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			ret[n++] = xstrdup(entry->d_name);
	return n;
}

/* ", did you mean 'scripts/start.sh'?" for a path that is not there, or "". The caller frees.
 */
static char *neighbour_hint(const struct check *check, const char *path)
{
	cleanup_with(freep) char *directory = xstrndup(path, (size_t)(path_base(path) - path));
	char *names[LIMIT_NEIGHBOURS];
	size_t n = list_names(check, directory, names);
	const char *near = suggest(path_base(path), (const char *const *)names, n);
	char *hint = near ? xasprintf(", did you mean '%s%s'?", directory, near) : xstrdup("");

	for (size_t i = 0; i < n; i++)
		free(names[i]);
	return hint;
}

/* Reports why a path could not be opened; `what` is "source" or "script". */
static void report_unopened(const struct check *check, struct mark mark, const char *what,
	const char *id, const char *path, int r)
{
	cleanup_with(freep) char *hint = NULL;

	if (r == -EXDEV || r == -ELOOP) {
		add(check, SEVERITY_ERROR, mark, id, "%s '%s' is a link that leaves the bundle",
			what, path);
	} else if (r == -ENOENT || r == -ENOTDIR) {
		hint = neighbour_hint(check, path);
		add(check, SEVERITY_ERROR, mark, id, "%s '%s' is not in the bundle%s%s", what,
			path, hint, strchr(path, ' ') ? " (a path, without arguments)" : "");
	} else {
		add(check, SEVERITY_ERROR, mark, id, "%s '%s' cannot be opened: %s", what, path,
			strerror(-r));
	}
}

static bool same_name(const char *a, const char *b)
{
	return strcmp(path_base(a), path_base(b)) == 0;
}

static void check_source(const struct check *check, const struct appspec_file *file)
{
	cleanup_with(closep) int fd = open_in_bundle(check, file->source, O_PATH | O_NOFOLLOW);
	struct stat st;

	if (fd < 0) {
		report_unopened(
			check, file->source_mark, "source", "E-FILE-MISSING", file->source, fd);
		return;
	}
	if (fstat(fd, &st) < 0)
		return;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode))
		add(check, SEVERITY_ERROR, file->source_mark, "E-FILE-TYPE",
			"source '%s' is neither a file nor a directory nor a link",
			file->source);
	if (S_ISREG(st.st_mode) && same_name(file->source, file->destination))
		add(check, SEVERITY_WARNING, file->destination_mark, "W-FILE-DEST",
			"a destination is a directory: this installs %s/%s; for the file "
			"itself "
			"name its directory",
			file->destination, path_base(file->source));
}

/* True if a program of that name is where scripts look for programs. */
static bool is_in_path(const char *name)
{
	static const char *const directories[] = { "/usr/local/sbin", "/usr/local/bin",
		"/usr/sbin", "/usr/bin", "/sbin", "/bin" };

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		cleanup_with(freep) char *path = path_join(directories[i], name);

		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* `line` is what follows "#!", without its end. */
static void check_interpreter(
	const struct check *check, const struct appspec_script *script, char *line)
{
	char *rest = line + strspn(line, " \t");
	const char *interpreter = strsep(&rest, " \t");
	const char *argument = NULL;

	while (rest && (argument = strsep(&rest, " \t")) && argument[0] == '\0')
		;
	if (interpreter[0] != '/')
		add(check, check->unstartable, script->mark,
			unstartable_id(check, "SCRIPT-INTERPRETER"),
			"script '%s' names the interpreter '%s', which is no absolute path",
			script->location, interpreter);
	else if (access(interpreter, X_OK) < 0)
		add(check, SEVERITY_WARNING, script->mark, "W-SCRIPT-INTERPRETER",
			"script '%s' needs %s, which this host does not have", script->location,
			interpreter);
	else if (same_name(interpreter, "env") && argument && argument[0] &&
		 argument[0] != '-' && !strpbrk(argument, "=/") && !is_in_path(argument))
		add(check, SEVERITY_WARNING, script->mark, "W-SCRIPT-INTERPRETER",
			"script '%s' needs the program '%s', which this host does not have",
			script->location, argument);
}

/* What the kernel, or sh in its place, would stumble over in the first line. */
static void check_first_line(
	const struct check *check, const struct appspec_script *script, char *text)
{
	char *rest = text;
	char *line = strsep(&rest, "\n");
	size_t n = strlen(line);

	if (strncmp(line, "\xef\xbb\xbf#!", 5) == 0) {
		add(check, check->unstartable, script->mark,
			unstartable_id(check, "SCRIPT-BOM"),
			"script '%s' starts with a byte order mark, which hides its #! line; "
			"save it without one",
			script->location);
		return;
	}
	if (n > 0 && line[n - 1] == '\r') {
		add(check, check->unstartable, script->mark,
			unstartable_id(check, "SCRIPT-CRLF"),
			"script '%s' has CRLF line ends, with which it cannot run; convert it "
			"(sed -i 's/\\r$//')",
			script->location);
		line[n - 1] = '\0';
	}
	if (line[0] == '#' && line[1] == '!')
		check_interpreter(check, script, line + 2);
}

static void check_start(
	const struct check *check, const struct appspec_script *script, int path_fd)
{
	cleanup_with(closep) int fd = open_in_bundle(
		check, script->location, O_RDONLY | O_NONBLOCK);
	char text[FIRST_LINE_BYTES + 1];
	struct stat st;
	ssize_t n;

	if (fstat(path_fd, &st) == 0 && !(st.st_mode & 0111))
		add(check, SEVERITY_WARNING, script->mark, "W-SCRIPT-MODE",
			"script '%s' is not executable; it is made so before it runs",
			script->location);
	if (fd < 0)
		return; /* unreadable to whoever checks, not to root */
	n = pread(fd, text, FIRST_LINE_BYTES, 0);
	if (n <= 0 || memcmp(text,
			      "\x7f"
			      "ELF",
			      n < 4 ? (size_t)n : 4) == 0)
		return;
	text[n] = '\0';
	check_first_line(check, script, text);
}

static void check_script(const struct check *check, const struct appspec_script *script)
{
	cleanup_with(closep) int fd = open_in_bundle(check, script->location, O_PATH);
	struct stat st;

	if (fd < 0)
		report_unopened(check, script->mark, "script", "E-SCRIPT-MISSING",
			script->location, fd);
	else if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		add(check, SEVERITY_ERROR, script->mark, "E-SCRIPT-TYPE",
			"script '%s' is %s, not a file", script->location,
			S_ISDIR(st.st_mode) ? "a directory" : "something special");
	else
		check_start(check, script, fd);
}

/* Which of two is read depends on the agent and on the event. */
static void check_second_appspec(const struct check *check)
{
	static const char *const names[] = { "appspec.yml", "appspec.yaml" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(check->spec->name, names[i]) == 0 &&
			file_exists(check->bundle_fd, names[1 - i]))
			add(check, SEVERITY_WARNING, ((struct mark){ 0 }), "W-APPSPEC-TWO",
				"%s is in the bundle as well and is ignored; AWS's agent may "
				"read that one: remove it",
				names[1 - i]);
}

/* A bundle that lacks everything need not be told so in full. */
static bool is_full(const struct check *check)
{
	return check->problems->n - check->n_before >= LIMIT_FINDINGS;
}

static void check_all(struct check *check)
{
	const struct appspec *spec = check->spec;

	check->n_before = check->problems->n;
	check_second_appspec(check);
	for (size_t i = 0; i < spec->n_files && !is_full(check); i++)
		check_source(check, &spec->files[i]);
	for (size_t i = 0; i < spec->n_hooks; i++)
		for (size_t j = 0; j < spec->hooks[i].n_scripts && !is_full(check); j++)
			check_script(check, &spec->hooks[i].scripts[j]);
	if (is_full(check))
		add(check, SEVERITY_WARNING, ((struct mark){ 0 }), "W-LIMIT",
			"more than %d problems, the others are not shown", LIMIT_FINDINGS);
}

void bundle_check(int bundle_fd, const struct appspec *spec, struct diagnostics *problems)
{
	check_all(&(struct check){ .bundle_fd = bundle_fd,
		.spec = spec,
		.problems = problems,
		.unstartable = SEVERITY_WARNING });
}

void bundle_check_strictly(
	int bundle_fd, const struct appspec *spec, struct diagnostics *problems)
{
	check_all(&(struct check){ .bundle_fd = bundle_fd,
		.spec = spec,
		.problems = problems,
		.unstartable = SEVERITY_ERROR });
	bundle_check_targets(bundle_fd, spec, problems);
}
