/* SPDX-License-Identifier: Apache-2.0 */
#include "base/size.h"

#include <inttypes.h>
#include <stdio.h>

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
