/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/advice.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/group.h"
#include "agent/history.h"
#include "agent/kept.h"
#include "agent/options.h"
#include "agent/printable.h"
#include "agent/site.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "hooks/lifecycle.h"

static void append_log(struct buf *text, const struct site *site, const char *deployment)
{
	cleanup_with(freep) char *directory = root_deployment_dir(
		&site->root, site->group.id, deployment);
	cleanup_with(freep) char *path = path_join(directory, "logs/scripts.log");

	if (!file_exists(AT_FDCWD, path))
		return;
	buf_puts(text, "all output: ");
	printable_append(text, path);
	buf_putc(text, '\n');
}

/* A word of a shell's command line. */
static void append_word(struct buf *text, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-./:@%+=,";
	bool quoted = *word == '\0' || word[strspn(word, plain)] != '\0';

	buf_puts(text, quoted ? " '" : " ");
	for (; *word; word++) {
		const char letter[] = { *word, '\0' };

		buf_puts(text, *word == '\'' ? "'\\''" : letter);
	}
	if (quoted)
		buf_putc(text, '\'');
}

static void append_option(struct buf *text, const char *option, const char *value)
{
	if (!value)
		return;
	buf_printf(text, " %s", option);
	append_word(text, value);
}

/* The verb with what this command was told about places, to be pasted. */
static void append_command(struct buf *text, const struct site *site,
	const struct options *options, const char *verb)
{
	cleanup_with(freep) char *label = group_label(&site->group);
	cleanup_with(buf_done) struct buf command = { 0 };

	buf_printf(&command, "drover-agent %s", verb);
	append_option(&command, "--group", label);
	append_option(&command, "--state-dir", options->state_dir);
	append_option(&command, "--config", options->config);
	append_option(&command, "--install-root", options->install_root);
	printable_append(text, command.data);
}

static void append_place(struct buf *text, const struct record *record)
{
	printable_append(text, record->location ? record->location : "the revision");
	buf_printf(text, " (%s)", record->deployment);
}

static void append_rollback(struct buf *text, const struct site *site,
	const struct options *options, const struct history *history,
	const struct record *installed)
{
	const struct record *good = NULL;

	if (kept_other_good(site, history, installed, &good, NULL) < 0) {
		buf_puts(text, "next: mend it and deploy again; no other revision that worked "
			       "is kept here\n");
		return;
	}
	buf_puts(text, "next: mend it and deploy again, or go back to ");
	append_place(text, good);
	buf_puts(text, " by\n      ");
	append_command(text, site, options, "rollback");
	buf_putc(text, '\n');
}

/* True if scripts of the installed revision may have stopped it before this one failed. */
static bool may_be_stopped(const struct record *record)
{
	int event = record->event ? lifecycle_find(record->event) : -1;

	return event >= 0 &&
	       lifecycle_bundle_of((enum lifecycle_event)event, false) == BUNDLE_CURRENT;
}

static void append_redeploy(struct buf *text, const struct site *site,
	const struct options *options, const struct record *installed)
{
	buf_puts(text, "next: mend it and deploy again; ");
	append_place(text, installed);
	buf_puts(text, " is still installed, and if it was stopped runs again by\n      ");
	append_command(text, site, options, "redeploy");
	buf_putc(text, '\n');
}

static void append_next(struct buf *text, const struct site *site,
	const struct options *options, const char *deployment)
{
	cleanup_with(history_done) struct history history = { 0 };
	const struct record *installed = NULL;
	const struct record *failed;

	if (history_load(&history, &site->root, site->group.id, NULL) < 0 ||
		kept_installed(site, &history, &installed, NULL) < 0)
		return;
	failed = history_find(&history, deployment);
	if (!failed)
		return;
	if (failed == installed ||
		(may_be_stopped(failed) && installed->state != RECORD_SUCCEEDED))
		append_rollback(text, site, options, &history, installed);
	else if (may_be_stopped(failed))
		append_redeploy(text, site, options, installed);
}

void advice_print(const struct site *site, const struct options *options,
	const char *deployment, bool is_local)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	append_log(&text, site, deployment);
	if (!is_local)
		append_next(&text, site, options, deployment);
	if (text.len > 0)
		fputs(text.data, stderr);
}
