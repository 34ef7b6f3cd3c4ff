/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/preview.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/events.h"
#include "agent/group.h"
#include "agent/install.h"
#include "agent/printable.h"
#include "agent/root.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/file.h"
#include "base/json.h"
#include "base/size.h"
#include "hooks/lifecycle.h"

static const char *const actions[] = {
	[PLAN_NEW] = "new",
	[PLAN_REPLACED] = "replaced",
	[PLAN_SAME] = "same",
	[PLAN_REMOVED] = "removed",
	[PLAN_KEPT] = "kept",
};

/*
 * The one JSON document is printed as it is made, an item a line: of 40,000 files it would be
 * large. `list` is NULL or the name of the array that is open.
 */
struct document {
	const char *list;
	bool has_items;
};

static void print_json(struct document *document, const char *list, json_t *json)
{
	cleanup_with(freep) char *line = json_dumps(json, JSON_COMPACT);

	if (!document->list || strcmp(document->list, list) != 0) {
		printf("%s\n\"%s\":[", document->list ? "]," : "{", list);
		document->list = list;
		document->has_items = false;
	}
	if (line)
		printf("%s\n%s", document->has_items ? "," : "", line);
	document->has_items = true;
	json_decref(json);
}

static void end_json(struct document *document)
{
	puts(document->list ? "]}" : "{}");
	document->list = NULL;
}

static void print_text(FILE *stream, const struct buf *text)
{
	(void)fwrite(text->data, 1, text->len, stream);
}

static void print_problem(
	const struct diagnostic *problem, struct document *document, bool json)
{
	cleanup_with(freep) char *sentence = diagnostic_format(problem);
	cleanup_with(buf_done) struct buf text = { 0 };

	if (json) {
		print_json(document, "findings",
			json_pack("{s:s, s:o}", "severity",
				problem->severity == SEVERITY_ERROR ? "error" : "warning",
				"text", json_text(sentence)));
		return;
	}
	printable_append(&text, sentence);
	buf_putc(&text, '\n');
	print_text(stderr, &text);
}

static void print_problems(struct diagnostics *problems, struct document *document, bool json)
{
	diagnostics_sort(problems);
	for (size_t i = 0; i < problems->n; i++)
		print_problem(&problems->items[i], document, json);
}

void preview_problems(struct diagnostics *problems, bool json)
{
	struct document document = { 0 };

	print_problems(problems, &document, json);
	if (json)
		end_json(&document);
}

/* ---- scripts */

/* A script of one event, and whose it is. */
struct step {
	const char *event;
	const char *bundle_of; /* or NULL */
	const struct appspec_script *script;
};

static json_t *describe_step(const struct step *step)
{
	const struct appspec_script *script = step->script;

	return json_pack("{s:o, s:o, s:I, s:o, s:b, s:o}", "event", json_text(step->event),
		"location", json_text(script->location), "timeout_s",
		(json_int_t)script->timeout_s, "runas",
		script->runas ? json_text(script->runas) : json_null(), "sudo",
		(int)script->sudo, "bundle_of",
		step->bundle_of ? json_text(step->bundle_of) : json_null());
}

static void print_step(const struct step *step, const struct preview_context *context,
	struct document *document)
{
	const struct appspec_script *script = step->script;
	cleanup_with(buf_done) struct buf text = { 0 };

	if (context->json) {
		print_json(document, "scripts", describe_step(step));
		return;
	}
	buf_printf(&text, "  %-18s  ", step->event);
	printable_append(&text, script->location);
	buf_printf(&text, "  as ");
	printable_append(&text, script->runas ? script->runas : "root");
	buf_printf(&text, ", at most %u s", script->timeout_s);
	if (step->bundle_of)
		buf_printf(&text, ", of %s", step->bundle_of);
	buf_putc(&text, '\n');
	print_text(stdout, &text);
}

static void print_steps(const char *event, const struct appspec *spec, const char *bundle_of,
	const struct preview_context *context, struct document *document)
{
	const struct appspec_hook *hook = appspec_find_hook(spec, event);

	for (size_t i = 0; hook && i < hook->n_scripts; i++)
		print_step(&(struct step){ event, bundle_of, &hook->scripts[i] }, context,
			document);
}

/*
 * The bundle that an event before DownloadBundle takes its scripts from, as it is now. Returns
 * 0 with *ret_spec NULL if there is none, -ENOENT if it cannot be read.
 */
static int load_earlier(const char *event, const struct preview_context *context,
	struct appspec **ret_spec, char **ret_directory)
{
	int known = lifecycle_find(event);
	enum lifecycle_bundle bundle = known < 0 ? BUNDLE_CURRENT
						 : lifecycle_bundle_of(
							   (enum lifecycle_event)known, false);
	const char *kind = bundle == BUNDLE_MOST_RECENT ? "_most_recent_install"
							: "_last_successful_install";
	cleanup_with(diagnostics_done) struct diagnostics ignored = { 0 };
	cleanup_with(freep) char *archive = NULL;
	cleanup_with(closep) int fd = -1;

	if (bundle == BUNDLE_CURRENT ||
		root_read_pointer(
			context->root, context->group->id, kind, ret_directory, NULL) < 0 ||
		!*ret_directory)
		return 0;
	archive = path_join(*ret_directory, "deployment-archive");
	fd = open(archive, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && appspec_load(ret_spec, fd, NULL, &ignored) == 0 ? 0 : -ENOENT;
}

static void find_broken_bundles(
	const struct preview_context *context, struct diagnostics *problems)
{
	for (size_t i = 0; i < context->events->n; i++) {
		cleanup_with(appspec_freep) struct appspec *spec = NULL;
		cleanup_with(freep) char *directory = NULL;
		const char *event = context->events->names[i];

		if (load_earlier(event, context, &spec, &directory) < 0)
			diagnostics_add(problems, SEVERITY_WARNING, NULL, 0, 0, "W-EARLIER",
				"%s would fail: the bundle of what is installed, below %s, "
				"cannot be read",
				event, directory);
	}
}

static void print_scripts(const struct appspec *spec, const struct preview_context *context,
	struct document *document)
{
	for (size_t i = 0; i < context->events->n; i++) {
		cleanup_with(appspec_freep) struct appspec *earlier = NULL;
		cleanup_with(freep) char *directory = NULL;
		const char *event = context->events->names[i];
		int known = lifecycle_find(event);

		if (load_earlier(event, context, &earlier, &directory) == 0 && earlier)
			print_steps(event, earlier, path_base(directory), context, document);
		else if (known >= 0 && lifecycle_bundle_of((enum lifecycle_event)known,
					       false) == BUNDLE_CURRENT)
			print_steps(event, spec, NULL, context, document);
	}
}

/* ---- files */

/* Names as this host has them, looked up once per run of equal ids. */
static void append_owner(struct buf *text, uid_t uid, gid_t gid)
{
	static uid_t last_uid = (uid_t)-1;
	static gid_t last_gid = (gid_t)-1;
	static char owner[80];

	if (uid != last_uid || gid != last_gid) {
		const struct passwd *user = getpwuid(uid);
		const struct group *owners = getgrgid(gid);
		char numbers[2][16];

		(void)snprintf(numbers[0], sizeof(numbers[0]), "%u", (unsigned)uid);
		(void)snprintf(numbers[1], sizeof(numbers[1]), "%u", (unsigned)gid);
		(void)snprintf(owner, sizeof(owner), "%.38s:%.38s",
			user ? user->pw_name : numbers[0],
			owners ? owners->gr_name : numbers[1]);
		last_uid = uid;
		last_gid = gid;
	}
	buf_puts(text, owner);
}

static json_t *describe_item(const struct plan_item *item)
{
	char type[2] = { item->type, '\0' };
	json_t *json = json_pack("{s:s, s:o, s:s, s:i, s:i, s:i, s:I}", "action",
		actions[item->action], "path", json_text(item->path), "kind", type, "mode",
		(int)item->mode, "uid", (int)item->uid, "gid", (int)item->gid, "bytes",
		(json_int_t)item->bytes);

	if (!json)
		return json_object();
	if (item->action == PLAN_REPLACED || item->action == PLAN_REMOVED)
		(void)json_object_set_new(json, "old",
			json_pack("{s:i, s:i, s:i}", "mode", (int)item->old_mode, "uid",
				(int)item->old_uid, "gid", (int)item->old_gid));
	if (item->note)
		(void)json_object_set_new(json, "note", json_text(item->note));
	return json;
}

static void append_attributes(struct buf *text, const struct plan_item *item)
{
	bool is_gone = item->action == PLAN_REMOVED;

	buf_printf(text, "%c %04o ", item->type,
		(unsigned)((is_gone ? item->old_mode : item->mode) & 07777));
	append_owner(
		text, is_gone ? item->old_uid : item->uid, is_gone ? item->old_gid : item->gid);
}

static void append_change(struct buf *text, const struct plan_item *item)
{
	if (item->action != PLAN_REPLACED || ((item->mode ^ item->old_mode) & 07777) +
							     (item->uid ^ item->old_uid) +
							     (item->gid ^ item->old_gid) ==
						     0)
		return;
	buf_printf(text, "  (was %04o ", (unsigned)(item->old_mode & 07777));
	append_owner(text, item->old_uid, item->old_gid);
	buf_putc(text, ')');
}

struct listing {
	const struct preview_context *context;
	struct document *document;
};

static int print_item(const struct plan_item *item, void *userdata)
{
	const struct listing *listing = userdata;
	cleanup_with(buf_done) struct buf text = { 0 };
	char size[16];

	if (listing->context->json) {
		print_json(listing->document, "files", describe_item(item));
		return 0;
	}
	buf_printf(&text, "  %-8s  ", actions[item->action]);
	append_attributes(&text, item);
	buf_puts(&text, "  ");
	printable_append(&text, item->path);
	if (item->bytes > 0) {
		size_format(item->bytes, size);
		buf_printf(&text, "  %s", size);
	}
	append_change(&text, item);
	if (item->note) {
		buf_puts(&text, "  ");
		printable_append(&text, item->note);
	}
	buf_putc(&text, '\n');
	print_text(stdout, &text);
	return 0;
}

static void print_totals(const struct plan *plan, const struct appspec *spec,
	const struct preview_context *context, struct document *document)
{
	struct plan_totals totals = plan_totals(plan);
	const struct appspec_hook *before = appspec_find_hook(
		spec, lifecycle_name(EVENT_BEFORE_INSTALL));
	size_t n_scripts = before ? before->n_scripts : 0;
	char size[16];

	if (context->json) {
		print_json(document, "totals",
			json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "new",
				(json_int_t)totals.n_new, "replaced",
				(json_int_t)totals.n_replaced, "same",
				(json_int_t)totals.n_same, "removed",
				(json_int_t)totals.n_removed, "kept", (json_int_t)totals.n_kept,
				"bytes", (json_int_t)totals.bytes, "before_install_scripts",
				(json_int_t)n_scripts));
		return;
	}
	size_format(totals.bytes, size);
	printf("%zu new, %zu replaced, %zu same, %zu removed, %zu kept; %s to be written\n",
		totals.n_new, totals.n_replaced, totals.n_same, totals.n_removed, totals.n_kept,
		size);
	if (n_scripts > 0)
		printf("BeforeInstall runs %zu script%s first, which may still change what is "
		       "said "
		       "of the files\n",
			n_scripts, n_scripts == 1 ? "" : "s");
	puts("nothing was changed");
}

static void print_head(const struct preview_context *context, struct document *document)
{
	cleanup_with(freep) char *label = group_label(context->group);
	cleanup_with(buf_done) struct buf text = { 0 };

	if (context->json) {
		print_json(document, "deployments",
			json_pack("{s:o, s:o}", "group", json_text(label), "location",
				json_text(context->location)));
		return;
	}
	printable_append(&text, context->location);
	buf_puts(&text, " -> ");
	printable_append(&text, label);
	buf_putc(&text, '\n');
	print_text(stdout, &text);
}

void preview(const struct plan *plan, const struct appspec *spec, struct diagnostics *problems,
	const struct preview_context *context)
{
	struct document document = { 0 };
	struct listing listing = { context, &document };

	find_broken_bundles(context, problems);
	print_head(context, &document);
	print_problems(problems, &document, context->json);
	print_scripts(spec, context, &document);
	(void)plan_each(plan, print_item, &listing);
	print_totals(plan, spec, context, &document);
	if (context->json)
		end_json(&document);
}
