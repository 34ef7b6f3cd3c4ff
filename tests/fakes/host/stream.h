/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>

/* For cleanup_with(), and only for streams that were read: writers look at what fclose() says.
 */
static inline void fclosep(FILE **stream)
{
	if (*stream)
		(void)fclose(*stream);
}
