/* SPDX-License-Identifier: Apache-2.0 */
#include "base/size.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/quantity.h"

void size_format(uint64_t bytes, char ret[static 16])
{
	static const char units[] = "kMGTPE";
	uint64_t tenths = bytes / 100;
	int unit = 0;

	if (bytes < 1000) {
		(void)snprintf(ret, 16, "%" PRIu64 " B", bytes);
		return;
	}
	for (; tenths >= 10000; tenths /= 1000)
		unit++;
	if (tenths < 100)
		(void)snprintf(ret, 16, "%" PRIu64 ".%" PRIu64 " %cB", tenths / 10, tenths % 10,
			units[unit]);
	else
		(void)snprintf(ret, 16, "%" PRIu64 " %cB", tenths / 10, units[unit]);
}

int size_parse(uint64_t *ret_bytes, const char *text)
{
	static const struct quantity_unit units[] = {
		{ "", 1 },
		{ "B", 1 },
		{ "kB", 1000 },
		{ "KiB", 1 << 10 },
		{ "MB", 1000 * 1000 },
		{ "MiB", 1 << 20 },
		{ "GB", 1000 * 1000 * 1000 },
		{ "GiB", 1 << 30 },
	};

	return quantity_parse(ret_bytes, text, units, ARRAY_SIZE(units));
}
