/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct diagnostics;
struct settings;

/*
 * `droverd check-config`, behind the parser: looks over what the settings name. All that is
 * wrong is reported, each with the file it is about: errors for what `run` would fail on,
 * warnings for what will go wrong later.
 *
 * Reads files as whoever runs it; owner_become() comes first where that matters.
 */
void settings_check(
	const struct settings *settings, uint64_t now_ms, struct diagnostics *diagnostics);
