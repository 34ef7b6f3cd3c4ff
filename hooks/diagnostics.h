/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hooks/hook.h"

/*
 * The diagnostics of an event as the protocol has them: {"error_code", "script_name",
 * "message", "log"} in this order, in ASCII and UTF-8 whatever the input.
 *
 * script_name: the location of the script that failed; NULL or "" for none.
 * message:     for code 0 the note or ""; the text gets "Succeeded: " in front. For code 7
 *              "Failed: " likewise.
 * log:         the tail of the event's log; code 0 never bears one.
 * Returns one line of JSON that the caller frees.
 */
char *hook_diagnostics(
	enum hook_code code, const char *script_name, const char *message, const char *log);
