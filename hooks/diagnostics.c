/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/diagnostics.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"

static const char *prefix_of(enum hook_code code)
{
	if (code == HOOK_SUCCEEDED)
		return "Succeeded: ";
	return code == HOOK_FAILED_AFTER_RESTART ? "Failed: " : "";
}

char *hook_diagnostics(
	enum hook_code code, const char *script_name, const char *message, const char *log)
{
	cleanup_with(json_decrefp) json_t *json = NULL;
	cleanup_with(freep) char *text = xasprintf(
		"%s%s", prefix_of(code), message ? message : "");

	json = json_pack("{s:i, s:o, s:o, s:o}", "error_code", (int)code, "script_name",
		json_text(script_name ? script_name : ""), "message", json_text(text), "log",
		json_text(log && code != HOOK_SUCCEEDED ? log : ""));
	return json_dumps(json, JSON_COMPACT); /* jansson keeps the order of insertion */
}
