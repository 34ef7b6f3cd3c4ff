/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/*
 * One line per fact an operator acts on. To the journal with structured fields when standard
 * error is the journal's (a service), else to standard error. Libraries return errors and stay
 * silent; whoever decides what happens next logs.
 *
 * error: we gave up on this. warning: we went on, and the line says how. notice: a deployment
 * began or ended.
 */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* Takes the level from DROVER_LOG (error, warning, notice, info, debug; default notice) and
 * finds out where to log. */
void log_open(void);

/*
 * The same for a process that may open no socket: lines to standard error, which bear their
 * level where the journal looks for it (sd-daemon(3)) if it is the journal's.
 */
void log_open_stream(void);

/* True if messages go to the journal. */
bool log_is_journal(void);

/* Sets the level by its name. Returns 0 or -EINVAL. */
int log_set_level(const char *name);
bool log_is_level(const char *name);

/* The level that a configuration gives, by its name; DROVER_LOG counts more. */
void log_configure_level(const char *name);

/* The name of the level in force. */
const char *log_level_name(void);

/*
 * A journal field that every later message bears, such as DEPLOYMENT_ID; NULL takes it away. At
 * most eight; `name` is a literal, `value` is copied.
 */
void log_set_field(const char *name, const char *value);

void log_message(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...) log_message(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_message(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_message(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_message(LOG_LEVEL_DEBUG, __VA_ARGS__)
