/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/events.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "hooks/lifecycle.h"

enum { MAX_EVENTS = 1000 };

void events_done(struct events *events)
{
	for (size_t i = 0; i < events->n; i++)
		free(events->names[i]);
	free(events->names);
	*events = (struct events){ 0 };
}

static void insert(struct events *events, size_t at, const char *name)
{
	events->names = xreallocarray(events->names, events->n + 2, sizeof(*events->names));
	memmove(&events->names[at + 1], &events->names[at],
		(events->n - at) * sizeof(*events->names));
	events->names[at] = xstrdup(name);
	events->names[++events->n] = NULL;
}

static ptrdiff_t position(const struct events *events, enum lifecycle_event event)
{
	for (size_t i = 0; i < events->n; i++)
		if (strcmp(events->names[i], lifecycle_name(event)) == 0)
			return (ptrdiff_t)i;
	return -1;
}

void events_all(struct events *ret)
{
	*ret = (struct events){ 0 };
	for (int event = 0; event < N_LIFECYCLE_EVENTS; event++)
		insert(ret, ret->n, lifecycle_name((enum lifecycle_event)event));
}

static char *trimmed(const char *text)
{
	size_t n;

	text += strspn(text, " \t");
	n = strlen(text);
	while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
		n--;
	return xstrndup(text, n);
}

static int split(struct events *ret, const char *text, struct error *err)
{
	cleanup_with(freep) char *copy = xstrdup(text);
	char *rest = copy;
	char *part;

	while ((part = strsep(&rest, ","))) {
		cleanup_with(freep) char *name = trimmed(part);

		if (name[0] == '\0')
			return error_set(err, -EINVAL, "--events %s: an empty name", text);
		if (ret->n >= MAX_EVENTS)
			return error_set(
				err, -EINVAL, "--events: more than %d names", MAX_EVENTS);
		insert(ret, ret->n, name);
	}
	return 0;
}

static int refuse_unknown(const char *name, struct error *err)
{
	const char *near = lifecycle_suggest(name);

	return error_set(err, -EINVAL, "--events: no lifecycle event is called '%s'%s%s%s",
		name, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

int events_parse(struct events *ret, const char *text, struct error *err)
{
	cleanup_with(events_done) struct events given = { 0 };
	bool wanted[N_LIFECYCLE_EVENTS] = {
		[EVENT_DOWNLOAD_BUNDLE] = true,
		[EVENT_INSTALL] = true,
	};
	int r = split(&given, text, err);

	for (size_t i = 0; i < given.n && r == 0; i++) {
		int event = lifecycle_find(given.names[i]);

		if (event < 0)
			r = refuse_unknown(given.names[i], err);
		else
			wanted[event] = true;
	}
	if (r < 0)
		return r;
	*ret = (struct events){ 0 };
	for (int event = 0; event < N_LIFECYCLE_EVENTS; event++)
		if (wanted[event])
			insert(ret, ret->n, lifecycle_name((enum lifecycle_event)event));
	return 0;
}

static void add_missing(struct events *events)
{
	ptrdiff_t download = position(events, EVENT_DOWNLOAD_BUNDLE);

	if (download < 0) {
		insert(events, 0, lifecycle_name(EVENT_DOWNLOAD_BUNDLE));
		download = 0;
	}
	if (position(events, EVENT_INSTALL) < 0)
		insert(events, (size_t)download + 1, lifecycle_name(EVENT_INSTALL));
}

/* What may stand before DownloadBundle uses the previous bundle; BeforeInstall needs the new.
 */
static bool may_precede(const char *name, enum lifecycle_event later)
{
	int event = lifecycle_find(name);

	if (event == EVENT_BEFORE_BLOCK_TRAFFIC || event == EVENT_AFTER_BLOCK_TRAFFIC ||
		event == EVENT_APPLICATION_STOP)
		return true;
	return later == EVENT_INSTALL &&
	       (event == EVENT_DOWNLOAD_BUNDLE || event == EVENT_BEFORE_INSTALL);
}

static int check_order(
	const struct events *events, enum lifecycle_event later, struct error *err)
{
	ptrdiff_t at = position(events, later);

	for (ptrdiff_t i = 0; i < at; i++)
		if (!may_precede(events->names[i], later))
			return error_set(err, -EINVAL,
				"--events: %s cannot stand before %s; only BeforeBlockTraffic, "
				"AfterBlockTraffic%s",
				events->names[i], lifecycle_name(later),
				later == EVENT_INSTALL
					? ", ApplicationStop, DownloadBundle and "
					  "BeforeInstall can"
					: " and ApplicationStop can");
	return 0;
}

int events_parse_local(struct events *ret, const char *text, struct error *err)
{
	cleanup_with(events_done) struct events given = { 0 };
	int r = split(&given, text, err);

	if (r == 0)
		r = check_order(&given, EVENT_DOWNLOAD_BUNDLE, err);
	if (r == 0)
		r = check_order(&given, EVENT_INSTALL, err);
	if (r < 0)
		return r;
	add_missing(&given);
	*ret = given;
	given = (struct events){ 0 };
	return 0;
}
