/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the agent reads of its own: the history of a group and the configuration. The first byte
 * says which one: 'h'istory, else the configuration.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/history.h"
#include "agent/root.h"
#include "agent/settings.h"
#include "base/error.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void parse_history(const char *text, size_t n)
{
	struct history history = { 0 };
	struct error err = ERROR_NONE;

	if (history_parse(&history, "group", text, n, &err) < 0) {
		check(err.text[0] && !history.records && !history.group);
		return;
	}
	for (size_t i = 0; i < history.n; i++) {
		const struct record *record = &history.records[i];

		check(root_id_is_safe(record->deployment));
		check(history_find(&history, record->deployment) != NULL);
		check(record_state_name(record->state) != NULL);
	}
	check(!history_newest_good(&history) ||
		history_newest_good(&history)->state == RECORD_SUCCEEDED);
	check(!history_running(&history) || history_running(&history)->state == RECORD_RUNNING);
	history_done(&history);
}

static void parse_settings(const char *text, size_t n)
{
	struct settings settings = { 0 };
	struct error err = ERROR_NONE;

	if (settings_parse(&settings, text, n, "agent.yml", &err) < 0) {
		check(strncmp(err.text, "agent.yml", 9) == 0 && !settings.root_dir);
		return;
	}
	check(settings.max_revisions > 0);
	check(!settings.root_dir || settings.root_dir[0] == '/');
	settings_done(&settings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *text = (const char *)data + 1;

	(void)log_set_level("error");
	if (n == 0 || n > HISTORY_LIMIT_BYTES)
		return 0;
	if (data[0] == 'h')
		parse_history(text, n - 1);
	else
		parse_settings(text, n - 1);
	return 0;
}
