/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/bundle.h"
#include "agent/bundle_check.h"
#include "agent/printable.h"
#include "agent/scratch.h"
#include "appspec/appspec.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

static void add_error(struct diagnostics *problems, const char *file, const struct error *err)
{
	diagnostics_add(problems, SEVERITY_ERROR, file, 0, 0, "E-READ", "%s", err->text);
}

static bool mentions_appspec(int dirfd, const char *name)
{
	cleanup_with(closedirp) DIR *dir = NULL;
	const struct dirent *entry;
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return false;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return false;
	}
	while ((entry = readdir(dir)))
		if (strcasestr(entry->d_name, "appspec"))
			return true;
	return false;
}

/*
 * The one directory that wraps a bundle, or NULL: the only entry there is, with a name in it
 * that contains "appspec". Archives are unwrapped as they are unpacked. The caller frees.
 */
static char *find_wrapper(int bundle_fd)
{
	cleanup_with(closedirp) DIR *dir = NULL;
	cleanup_with(freep) char *only = NULL;
	const struct dirent *entry;
	int fd = openat(bundle_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return NULL;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return NULL;
	}
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (only)
			return NULL;
		only = xstrdup(entry->d_name);
	}
	return only && mentions_appspec(bundle_fd, only) ? take(&only) : NULL;
}

static void check_directory(const char *path, struct diagnostics *problems)
{
	cleanup_with(appspec_freep) struct appspec *spec = NULL;
	cleanup_with(freep) char *wrapper = NULL;
	cleanup_with(closep) int outer_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_with(closep) int inner_fd = -1;
	struct error err = ERROR_NONE;

	if (outer_fd < 0) {
		(void)error_set(&err, -errno, "cannot open directory: %m");
		add_error(problems, path, &err);
		return;
	}
	wrapper = find_wrapper(outer_fd);
	if (wrapper)
		inner_fd = openat(
			outer_fd, wrapper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (appspec_load(&spec, inner_fd >= 0 ? inner_fd : outer_fd, NULL, problems) == 0)
		bundle_check_strictly(inner_fd >= 0 ? inner_fd : outer_fd, spec, problems);
}

static void check_appspec(const char *path, int fd, struct diagnostics *problems)
{
	cleanup_with(appspec_freep) struct appspec *spec = NULL;
	cleanup_with(buf_done) struct buf text = { 0 };
	struct error err = ERROR_NONE;

	if (file_read_fd(fd, path, APPSPEC_LIMIT_BYTES, &text, &err) < 0)
		add_error(problems, path, &err);
	else if (appspec_parse(&spec, text.data, text.len, path, problems) == 0)
		appspec_check_objects(spec, problems);
}

/* The unpacked bundle's path below the scratch directory, which the caller frees; NULL with err
 * filled on failure. */
static char *unpack(struct scratch *scratch, const char *path, struct diagnostics *problems,
	struct error *err)
{
	cleanup_with(freep) char *location = realpath(path, NULL);
	cleanup_with(freep) char *target = NULL;
	struct bundle_request request = { .location = location };

	if (!location) {
		(void)error_set(err, -errno, "cannot find archive: %m");
		return NULL;
	}
	if (scratch_make(scratch, err) < 0)
		return NULL;
	target = path_join(scratch->path, "bundle");
	request.target_dir = target;
	return scratch_unpack(&request, problems, err) < 0 ? NULL : take(&target);
}

static void check_archive(const char *path, struct diagnostics *problems)
{
	cleanup_with(scratch_done) struct scratch scratch = { NULL };
	struct error err = ERROR_NONE;
	cleanup_with(freep) char *bundle = unpack(&scratch, path, problems, &err);

	if (bundle)
		check_directory(bundle, problems);
	else
		add_error(problems, path, &err);
}

/* An archive tells itself by its first bytes; whatever else is a file is taken for an appspec.
 */
static bool is_archive(int fd)
{
	static const struct {
		size_t offset;
		const char *bytes;
		size_t n;
	} marks[] = {
		{ 0, "PK\x03\x04", 4 },
		{ 0, "PK\x05\x06", 4 },
		{ 0, "\x1f\x8b", 2 },
		{ 0,
			"\xfd"
			"7zXZ",
			5 },
		{ 0, "\x28\xb5\x2f\xfd", 4 },
		{ 257, "ustar", 5 },
	};
	char head[512];
	ssize_t n = pread(fd, head, sizeof(head), 0);

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (n >= (ssize_t)(marks[i].offset + marks[i].n) &&
			memcmp(head + marks[i].offset, marks[i].bytes, marks[i].n) == 0)
			return true;
	return false;
}

static void check(const char *path, struct diagnostics *problems)
{
	/* Non-blocking, so that a fifo cannot hold us. */
	cleanup_with(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct error err = ERROR_NONE;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		(void)error_set(&err, -errno, "cannot open: %m");
		add_error(problems, path, &err);
	} else if (S_ISDIR(st.st_mode)) {
		check_directory(path, problems);
	} else if (S_ISREG(st.st_mode) && is_archive(fd)) {
		check_archive(path, problems);
	} else {
		check_appspec(path, fd, problems);
	}
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* Paths and texts come from the bundle: what a terminal would obey is not printed. */
static void print_line(FILE *out, const char *text)
{
	cleanup_with(buf_done) struct buf line = { 0 };

	printable_append(&line, text);
	(void)fprintf(out, "%s\n", line.data);
}

static void print_lines(FILE *out, const char *path, const struct diagnostics *problems)
{
	size_t n_warnings = problems->n - problems->n_errors;
	cleanup_with(freep) char *summary =
		problems->n == 0
			? xasprintf("%s: no problems found", path)
			: xasprintf("%s: %zu error%s, %zu warning%s", path, problems->n_errors,
				  plural(problems->n_errors), n_warnings, plural(n_warnings));

	for (size_t i = 0; i < problems->n; i++) {
		cleanup_with(freep) char *line = diagnostic_format(&problems->items[i]);

		print_line(out, line);
	}
	print_line(out, summary);
}

static json_t *place_json(unsigned number)
{
	return number > 0 ? json_integer(number) : json_null();
}

static json_t *diagnostic_json(const struct diagnostic *diagnostic)
{
	json_t *made = json_object();

	json_object_set_new(made, "severity",
		json_text(diagnostic->severity == SEVERITY_ERROR ? "error" : "warning"));
	json_object_set_new(
		made, "file", diagnostic->file ? json_text(diagnostic->file) : json_null());
	json_object_set_new(made, "line", place_json(diagnostic->line));
	json_object_set_new(made, "column", place_json(diagnostic->column));
	json_object_set_new(made, "id", json_text(diagnostic->id));
	json_object_set_new(made, "text", json_text(diagnostic->text));
	return made;
}

static void print_json(FILE *out, const char *path, const struct diagnostics *problems)
{
	cleanup_with(json_decrefp) json_t *made = json_object();
	json_t *list = json_array();

	for (size_t i = 0; i < problems->n; i++)
		json_array_append_new(list, diagnostic_json(&problems->items[i]));
	json_object_set_new(made, "path", json_text(path));
	json_object_set_new(made, "errors", json_integer((json_int_t)problems->n_errors));
	json_object_set_new(
		made, "warnings", json_integer((json_int_t)(problems->n - problems->n_errors)));
	json_object_set_new(made, "diagnostics", list);
	(void)json_dumpf(made, out, JSON_COMPACT);
	(void)fputc('\n', out);
}

int check_path(const char *path, bool strict, bool json, FILE *out)
{
	cleanup_with(diagnostics_done) struct diagnostics problems = { 0 };

	check(path, &problems);
	diagnostics_sort(&problems);
	if (json)
		print_json(out, path, &problems);
	else
		print_lines(out, path, &problems);
	if (problems.n_errors > 0)
		return 2;
	return strict && problems.n > 0 ? 1 : 0;
}
