/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/document.h"
#include "base/report.h"
#include "controller/settings.h"

/* The reading of droverd.yml, of which settings.c is the frame. */

/* One key of the plain kind; those with a form of their own stand in settings.c. */
enum setting_kind {
	SETTING_PATH,     /* char *, absolute */
	SETTING_DURATION, /* uint64_t, milliseconds */
	SETTING_SIZE,     /* size_t or uint64_t, bytes */
	SETTING_COUNT,    /* unsigned or size_t */
	SETTING_SWITCH,   /* bool */
};

struct setting {
	const char *section; /* the mapping it stands in; "" at the top */
	const char *name;
	enum setting_kind kind;
	size_t offset; /* in struct settings */
	size_t width;  /* of the member */
	uint64_t minimum;
	uint64_t maximum;
	uint64_t value;   /* the default; of a count that is found out, 0 */
	const char *path; /* the default, relative to the file's directory */
	bool renews;      /* may change while the controller runs */
};

extern const struct setting setting_table[];
extern const size_t n_setting_table;

/* Fills in the defaults of the table. settings->path must be there. */
void setting_default(struct settings *settings, const struct setting *setting);

/* Reads one value. Mistakes are reported. */
void setting_read(struct settings *settings, const struct setting *setting,
	const struct node *value, struct report *report);

bool setting_equals(
	const struct setting *setting, const struct settings *a, const struct settings *b);
void setting_copy(
	const struct setting *setting, struct settings *to, const struct settings *from);

/* A scalar's text, borrowed; NULL after a mistake was reported. `what` is the key. */
const char *setting_text(const struct node *value, const char *what, struct report *report);

/* Reads the value of "listen". */
void settings_read_listeners(
	struct settings *settings, const struct node *value, struct report *report);
void settings_drop_listeners(struct settings *settings);
