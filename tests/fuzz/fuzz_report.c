/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a host says of an event that ended, and the handle by which it asks for orders. The
 * first byte says which: 'p' the payload of the diagnostics, 'e' a DeploymentExecutionId, else
 * the whole member as JSON.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "controller/model.h"
#include "controller/report.h"
#include "controller/specification.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_text(const char *text, size_t limit)
{
	size_t length = strlen(text);

	check(length <= limit);
	for (size_t at = 0, step; at < length; at += step) {
		step = utf8_length(text + at, length - at);
		check(step > 0);
	}
}

static void read_report(const json_t *diagnostics, bool succeeded)
{
	struct event_record record = { 0 };

	report_read(diagnostics, succeeded, &record);
	check(record.error_code >= -1 && record.error_code <= 7);
	check((record.error_code == 0) == succeeded);
	check(report_error_name(record.error_code) != NULL);
	check_text(record.script_name, REPORT_LIMIT_SCRIPT_BYTES);
	check_text(record.message, REPORT_LIMIT_MESSAGE_BYTES);
	check_text(record.log_tail, REPORT_LIMIT_LOG_BYTES);
	event_record_done(&record);
	(void)report_is_noop(diagnostics);
}

static void parse_execution_id(const char *text, size_t n)
{
	char *copy = xstrndup(text, n);
	char id[DEPLOYMENT_ID_LENGTH + 1];

	if (specification_parse_execution_id(copy, id, sizeof(id), NULL) == 0)
		check(id[0] && !strchr(id, '/') && strstr(copy, id));
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *text = (const char *)data + 1;
	json_t *json = NULL;

	if (n == 0)
		return 0;
	if (data[0] == 'e') {
		parse_execution_id(text, n - 1);
		return 0;
	}
	if (data[0] == 'p') {
		json = json_object();
		json_object_set_new(json, "Payload", json_stringn_nocheck(text, n - 1));
	} else {
		json = json_loadb(text, n - 1, JSON_DECODE_ANY, NULL);
	}
	read_report(json, n & 1);
	json_decref(json);
	return 0;
}
