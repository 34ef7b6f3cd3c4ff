/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The descriptors that drover-unpack is started with. */
enum {
	UNPACK_ARCHIVE_FD = 3,   /* the archive, read-only, at its start */
	UNPACK_DIRECTORY_FD = 4, /* the directory to be filled, empty */
	UNPACK_CONTROL_FD = 5,   /* a pipe for messages (message.h) */
};
