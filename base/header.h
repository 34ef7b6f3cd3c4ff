/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One header field of an HTTP message. Names compare without case; the value has no blanks
 * around it. Both are borrowed from whoever holds the message.
 */
struct header {
	const char *name;
	const char *value;
};
