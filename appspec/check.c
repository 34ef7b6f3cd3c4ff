/* SPDX-License-Identifier: Apache-2.0 */
#include "appspec/parse.h"

#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

/* Each is compared with each. Beyond so many no person reads warnings, and a hostile file must
 * not cost more than reading it. */
enum { LIMIT_PAIRS = 1000000 };

/* True if the bundle path lies in what a files entry takes: the whole bundle, the directory, or
 * the file itself. */
static bool is_taken_by(const struct appspec_file *file, const char *path)
{
	return file->source[0] == '\0' || path_is_below(path, file->source);
}

static void warn_of_script(
	const struct appspec_file *file, const struct appspec *spec, struct report *report)
{
	for (size_t i = 0; i < spec->n_hooks; i++) {
		const struct appspec_hook *hook = &spec->hooks[i];

		for (size_t j = 0; j < hook->n_scripts; j++) {
			const char *location = hook->scripts[j].location;

			if (!location || !is_taken_by(file, location))
				continue;
			report_warning(report, file->source_mark, "W-FILE-PUBLISH",
				"source '%s' installs hook scripts as well ('%s'), to %s; keep "
				"them in a directory of their own",
				quote(file->source), quote(location), quote(file->destination));
			return;
		}
	}
}

static void check_file(
	const struct appspec_file *file, const struct appspec *spec, struct report *report)
{
	if (!file->source || !file->destination)
		return;
	if (file->source[0] == '\0') {
		report_warning(report, file->source_mark, "W-FILE-PUBLISH",
			"the whole bundle is installed to %s, with %s and the hook scripts; "
			"put the application into a directory of its own",
			quote(file->destination), quote(path_base(spec->name)));
		return;
	}
	if (is_taken_by(file, spec->name))
		report_warning(report, file->source_mark, "W-FILE-PUBLISH",
			"source '%s' installs %s as well, to %s", quote(file->source),
			quote(spec->name), quote(file->destination));
	warn_of_script(file, spec, report);
}

static void check_script(
	const struct appspec_script *script, const struct appspec *spec, struct report *report)
{
	cleanup_with(freep) char *absolute = NULL;

	if (!script->location)
		return;
	absolute = xasprintf("/%s", script->location);
	for (size_t i = 0; i < spec->n_files; i++) {
		const char *destination = spec->files[i].destination;

		if (!destination || strcmp(destination, "/") == 0 ||
			!path_is_below(absolute, destination))
			continue;
		report_warning(report, script->mark, "W-HOOK-LOCATION",
			"location '%s' is looked up in the bundle, not below the destination "
			"%s",
			quote(absolute), quote(destination));
		return;
	}
}

static size_t count_scripts(const struct appspec *spec)
{
	size_t n = 0;

	for (size_t i = 0; i < spec->n_hooks; i++)
		n += spec->hooks[i].n_scripts;
	return n;
}

static void check_scripts(const struct appspec *spec, struct report *report)
{
	for (size_t i = 0; i < spec->n_hooks; i++)
		for (size_t j = 0; j < spec->hooks[i].n_scripts; j++)
			check_script(&spec->hooks[i].scripts[j], spec, report);
}

void appspec_check(const struct appspec *spec, struct report *report)
{
	if (spec->n_files * count_scripts(spec) > LIMIT_PAIRS)
		return;
	for (size_t i = 0; i < spec->n_files; i++)
		check_file(&spec->files[i], spec, report);
	check_scripts(spec, report);
}

void appspec_check_objects(const struct appspec *spec, struct diagnostics *diagnostics)
{
	struct report report = { .name = spec->name, .diagnostics = diagnostics };

	if (spec->n_files * spec->n_permissions > LIMIT_PAIRS)
		return;
	for (size_t i = 0; i < spec->n_permissions; i++) {
		const struct appspec_permission *permission = &spec->permissions[i];

		if (!appspec_may_install(spec, permission->object))
			report_warning(&report, permission->mark, "W-PERM-UNMATCHED",
				"object '%s' is in no destination of files, so the entry "
				"applies to nothing",
				quote(permission->object));
	}
}
