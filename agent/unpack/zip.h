/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The little about a zip file that libarchive does not tell. Hints from bytes that may lie:
 * whoever uses them judges the result like any other claim of the archive.
 */
struct zip_end {
	uint64_t n_entries; /* as its last record claims */
	bool unix_modes;    /* the first entry was written by a system with modes */
	bool backslashes;   /* there may be names with backslashes */
};

/* False if there is no end record: the file is no zip, or cut off. */
bool zip_read_end(int fd, struct zip_end *ret);

/*
 * The name, byte by byte, of the entry whose data starts at `data_offset`, found by its local
 * header; the UTF-8 name of Info-ZIP's extra field 0x7075 if it has one that fits. False if
 * there is no such header, or the name is empty or holds a NUL.
 */
bool zip_raw_name(int fd, uint64_t data_offset, char *ret, size_t size);
