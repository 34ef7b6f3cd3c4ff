/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/description.h"
#include "base/diagnostic.h"
#include "base/document.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/report.h"
#include "controller/address.h"
#include "controller/name.h"
#include "controller/settings_internal.h"

enum { LIMIT_KEYS = 64, LIMIT_REGION_BYTES = 32 };

static void drop_names(struct settings *settings)
{
	for (size_t i = 0; i < settings->n_names; i++)
		free(settings->names[i]);
	free(settings->names);
	settings->names = NULL;
	settings->n_names = 0;
}

void settings_free(struct settings *settings)
{
	if (!settings)
		return;
	settings_drop_listeners(settings);
	drop_names(settings);
	for (size_t i = 0; i < n_setting_table; i++)
		if (setting_table[i].kind == SETTING_PATH)
			free(*(char **)(void *)((char *)settings + setting_table[i].offset));
	free(settings->path);
	free(settings->region);
	free(settings->log_level);
	free(settings);
}

void settings_freep(struct settings **settings)
{
	settings_free(*settings);
}

/* ---- the keys with a form of their own */

static void read_names(
	struct settings *settings, const struct node *value, struct report *report)
{
	drop_names(settings);
	if (value->kind != NODE_LIST || value->n == 0 || value->n > SETTINGS_LIMIT_NAMES) {
		report_error(report, value->mark, "E-TYPE",
			"names takes a list of 1 to %d names, found %s", SETTINGS_LIMIT_NAMES,
			value->kind == NODE_LIST ? "one of another length"
						 : describe(value).text);
		return;
	}
	settings->names = xcalloc(value->n, sizeof(*settings->names));
	for (size_t i = 0; i < value->n; i++) {
		const char *text = setting_text(value->items[i], "a name", report);

		if (text && !name_is_valid(text))
			report_error(report, value->items[i]->mark, "E-VALUE",
				"names: '%s' is neither a DNS name nor an address",
				quote(text));
		else if (text)
			settings->names[settings->n_names++] = xstrdup(text);
	}
}

static void read_account(
	struct settings *settings, const struct node *value, struct report *report)
{
	const char *text = setting_text(value, "account", report);

	if (!text)
		return;
	if (strlen(text) == 12 && strspn(text, "0123456789") == 12)
		memcpy(settings->account, text, sizeof(settings->account));
	else
		report_error(report, value->mark, "E-VALUE",
			"account '%s' is not twelve digits", quote(text));
}

/* It stands in ARNs and in the scope of signatures, where ':' and '/' part the fields. */
static void read_region(
	struct settings *settings, const struct node *value, struct report *report)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	const char *text = setting_text(value, "region", report);

	if (!text)
		return;
	if (text[0] == '\0' || strlen(text) > LIMIT_REGION_BYTES ||
		text[strspn(text, allowed)]) {
		report_error(report, value->mark, "E-VALUE",
			"region '%s' is not up to %d small letters, digits and hyphens",
			quote(text), LIMIT_REGION_BYTES);
		return;
	}
	free(settings->region);
	settings->region = xstrdup(text);
}

static void read_log_level(
	struct settings *settings, const struct node *value, struct report *report)
{
	const char *text = setting_text(value, "log_level", report);

	if (!text)
		return;
	if (!log_is_level(text)) {
		report_error(report, value->mark, "E-VALUE",
			"log_level '%s' is none of error, warning, notice, info, debug",
			quote(text));
		return;
	}
	free(settings->log_level);
	settings->log_level = xstrdup(text);
}

static const struct special {
	const char *name;
	void (*read)(
		struct settings *settings, const struct node *value, struct report *report);
} specials[] = {
	{ "names", read_names },
	{ "account", read_account },
	{ "region", read_region },
	{ "listen", settings_read_listeners },
	{ "log_level", read_log_level },
};

/* ---- the mapping */

static const char *const sections[] = { "limits", "deadlines", "rollout", "presence" };

static const struct setting *find_setting(const char *section, const char *name)
{
	for (size_t i = 0; i < n_setting_table; i++)
		if (strcmp(setting_table[i].section, section) == 0 &&
			strcmp(setting_table[i].name, name) == 0)
			return &setting_table[i];
	return NULL;
}

static const struct special *find_special(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(specials); i++)
		if (strcmp(specials[i].name, name) == 0)
			return &specials[i];
	return NULL;
}

static bool is_section(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		if (strcmp(sections[i], name) == 0)
			return true;
	return false;
}

static void report_unknown(const char *section, const struct node *key, struct report *report)
{
	bool at_top = section[0] == '\0';
	const char *names[LIMIT_KEYS];
	size_t n = 0;

	for (size_t i = 0; i < n_setting_table; i++)
		if (strcmp(setting_table[i].section, section) == 0)
			names[n++] = setting_table[i].name;
	for (size_t i = 0; at_top && i < ARRAY_SIZE(specials); i++)
		names[n++] = specials[i].name;
	for (size_t i = 0; at_top && i < ARRAY_SIZE(sections); i++)
		names[n++] = sections[i];
	report_error(report, key->mark, "E-KEY-UNKNOWN", "unknown key '%s'%s%s%s",
		key->text ? quote(key->text) : "", at_top ? "" : " in ", section,
		report_hint(report, key->text ? key->text : "", names, n).text);
}

static void read_section(struct settings *settings, const char *section,
	const struct node *mapping, struct report *report)
{
	if (mapping->kind != NODE_MAPPING) {
		report_error(report, mapping->mark, "E-TYPE",
			"%s takes a mapping of keys and values, found %s", section,
			describe(mapping).text);
		return;
	}
	for (size_t i = 0; i < mapping->n; i += 2) {
		const struct node *key = mapping->items[i];
		const struct node *value = mapping->items[i + 1];
		const struct setting *setting = key->text ? find_setting(section, key->text)
							  : NULL;

		if (!setting)
			report_unknown(section, key, report);
		else if (!node_is_absent(value))
			setting_read(settings, setting, value, report);
	}
}

/* One key at the top; a key without a value is as if it were not there. */
static void read_key(struct settings *settings, const struct node *key,
	const struct node *value, struct report *report)
{
	const char *name = key->text ? key->text : "";
	const struct setting *setting = find_setting("", name);
	const struct special *special = find_special(name);

	if (!setting && !special && !is_section(name))
		report_unknown("", key, report);
	else if (node_is_absent(value))
		return;
	else if (setting)
		setting_read(settings, setting, value, report);
	else if (special)
		special->read(settings, value, report);
	else
		read_section(settings, name, value, report);
}

/* ---- defaults and checks across keys */

static unsigned count_processors(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return n > SETTINGS_LIMIT_DOORS ? SETTINGS_LIMIT_DOORS : (unsigned)n;
}

static void set_default_listener(struct settings *settings)
{
	struct listener_settings *listener = xcalloc(1, sizeof(*listener));
	static const char address[] = "127.0.0.1:8443";

	*listener = (struct listener_settings){
		.address = xstrdup(address),
		.is_tls = true,
		.client_certificate = CLIENT_CERTIFICATE_OPTIONAL,
	};
	(void)address_parse(&listener->socket_address, &listener->socket_length, address, "/",
		NULL); /* it is one */
	settings->listeners = listener;
	settings->n_listeners = 1;
}

static struct settings *make_defaults(const char *path)
{
	struct settings *settings = xcalloc(1, sizeof(*settings));

	settings->path = path_normalise("/", path);
	for (size_t i = 0; i < n_setting_table; i++)
		setting_default(settings, &setting_table[i]);
	memcpy(settings->account, "000000000000", sizeof(settings->account));
	settings->region = xstrdup("local");
	settings->names = xcalloc(1, sizeof(*settings->names));
	settings->names[settings->n_names++] = xstrdup("localhost");
	settings->n_doors = count_processors();
	set_default_listener(settings);
	return settings;
}

static void read_keys(struct settings *settings, const struct node *root, bool is_directory,
	struct report *report)
{
	for (size_t i = 0; i < root->n; i += 2) {
		const struct node *key = root->items[i];

		if ((key->text && strcmp(key->text, "directory") == 0) == is_directory)
			read_key(settings, key, root->items[i + 1], report);
	}
}

static void read_root(struct settings *settings, const struct node *root, struct report *report)
{
	if (node_is_absent(root))
		return;
	if (root->kind != NODE_MAPPING) {
		report_error(report, root->mark, "E-TYPE",
			"the file must be a mapping of keys and values, found %s",
			describe(root).text);
		return;
	}
	/* First what the other paths are relative to, by default too. */
	read_keys(settings, root, true, report);
	for (size_t i = 1; i < n_setting_table; i++)
		if (setting_table[i].kind == SETTING_PATH)
			setting_default(settings, &setting_table[i]);
	read_keys(settings, root, false, report);
}

static void check_together(const struct settings *settings, struct report *report)
{
	const struct mark nowhere = { 0 };

	if (settings->limits.header_bytes < settings->limits.line_bytes / 2)
		report_error(report, nowhere, "E-VALUE",
			"limits.header_bytes is less than half of limits.line_bytes");
	if (settings->presence.aws_ms < settings->presence.ours_ms)
		report_error(report, nowhere, "E-VALUE",
			"presence.aws_agent is less than presence.agent: AWS's agents poll "
			"less "
			"often than Drover's");
	if (settings->limits.connections < settings->limits.connections_per_address)
		report_error(report, nowhere, "E-VALUE",
			"limits.connections_per_address is more than limits.connections");
}

int settings_parse(struct settings **ret, const char *text, size_t n, const char *path,
	struct diagnostics *diagnostics, struct error *err)
{
	cleanup_with(settings_freep) struct settings *settings = make_defaults(path);
	cleanup_with(document_done) struct document document = { 0 };
	struct report report = { .name = path, .diagnostics = diagnostics };

	if (document_parse(&document, text, n, &report) == 0) {
		read_root(settings, document.root, &report);
		if (report.n_errors == 0)
			check_together(settings, &report);
	}
	diagnostics_sort(diagnostics);
	if (report.n_errors > 0)
		return error_set(err, -EINVAL, "%s has %zu error%s", path, report.n_errors,
			report.n_errors == 1 ? "" : "s");
	*ret = take(&settings);
	return 0;
}

/* A link is fine here: who may write there owns the controller. Non-blocking, for the sake of a
 * fifo. */
static int read_text(const char *path, struct buf *ret, struct error *err)
{
	cleanup_with(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return error_set(err, -errno, "cannot open the configuration %s: %m", path);
	return file_read_fd(fd, path, SETTINGS_LIMIT_BYTES, ret, err);
}

int settings_load(struct settings **ret, const char *path, struct diagnostics *diagnostics,
	struct error *err)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	cleanup_with(freep) char *directory = getcwd(NULL, 0);
	cleanup_with(freep) char *absolute = path_normalise(directory ? directory : "/", path);
	int r = read_text(path, &text, err);

	if (r < 0)
		return r;
	return settings_parse(
		ret, text.data ? text.data : "", text.len, absolute, diagnostics, err);
}

/* ---- renewal */

static bool same_listeners(const struct settings *a, const struct settings *b)
{
	if (a->n_listeners != b->n_listeners)
		return false;
	for (size_t i = 0; i < a->n_listeners; i++) {
		const struct listener_settings *x = &a->listeners[i];
		const struct listener_settings *y = &b->listeners[i];

		if (!address_equals(&x->socket_address, &y->socket_address) ||
			x->is_tls != y->is_tls || x->mode != y->mode ||
			x->client_certificate != y->client_certificate)
			return false;
	}
	return true;
}

static bool same_names(const struct settings *a, const struct settings *b)
{
	if (a->n_names != b->n_names)
		return false;
	for (size_t i = 0; i < a->n_names; i++)
		if (strcmp(a->names[i], b->names[i]) != 0)
			return false;
	return true;
}

static void say_later(
	struct diagnostics *diagnostics, const struct settings *settings, const char *key)
{
	diagnostics_add(diagnostics, SEVERITY_WARNING, settings->path, 0, 0, "W-RESTART",
		"%s changed; that counts from the next start on (systemctl restart droverd)",
		key);
}

void settings_renew(struct settings *settings, const struct settings *fresh,
	struct diagnostics *diagnostics)
{
	for (size_t i = 0; i < n_setting_table; i++) {
		const struct setting *setting = &setting_table[i];

		if (setting->renews)
			setting_copy(setting, settings, fresh);
		else if (!setting_equals(setting, settings, fresh))
			say_later(diagnostics, settings, setting->name);
	}
	free(settings->log_level);
	settings->log_level = fresh->log_level ? xstrdup(fresh->log_level) : NULL;
	if (!same_listeners(settings, fresh))
		say_later(diagnostics, settings, "listen");
	if (!same_names(settings, fresh))
		say_later(diagnostics, settings, "names");
	if (strcmp(settings->account, fresh->account) != 0)
		say_later(diagnostics, settings, "account");
	if (strcmp(settings->region, fresh->region) != 0)
		say_later(diagnostics, settings, "region");
}
