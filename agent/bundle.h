/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct error;
struct loop;

/*
 * A revision's bundle: a directory, or an archive that the executable drover-unpack opens up
 * for us, confined to the directory it fills. Neither libarchive nor the archive's bytes ever
 * meet this process.
 */
enum bundle_type {
	BUNDLE_AUTO,
	BUNDLE_DIRECTORY,
	BUNDLE_ZIP,
	BUNDLE_TAR,
	BUNDLE_TGZ,
	BUNDLE_TAR_ZST,
	BUNDLE_TAR_XZ
};

/* "directory", "zip", "tar", "tgz", "tar.zst", "tar.xz"; -EINVAL for others. */
int bundle_type_from_text(enum bundle_type *ret, const char *text);
const char *bundle_type_name(enum bundle_type type);

/* What an archive may amount to. */
struct bundle_limits {
	uint64_t entries;
	uint64_t bytes; /* unpacked */
	unsigned ratio; /* unpacked to packed, looked at above 64 MiB */
};
extern const struct bundle_limits bundle_default_limits;

struct bundle_request {
	const char *location;   /* absolute path of the archive or directory */
	enum bundle_type type;  /* a directory is never an archive; which kind of archive it is
				   says its content, whatever was given */
	const char *target_dir; /* absolute path of the directory to be made and filled;
				   replaced if there; its parent exists */
	const struct bundle_limits *limits; /* of archives; NULL: defaults */
};

/*
 * Whether the location is there and fits the type given: -ENOENT, -EACCES, -ENOTDIR (a file
 * called directory), -EISDIR (a directory called an archive), -EINVAL (neither). *ret is
 * BUNDLE_DIRECTORY for a directory; for a file the type given, which may be BUNDLE_AUTO.
 */
int bundle_probe(
	enum bundle_type *ret, const char *location, enum bundle_type given, struct error *err);

struct bundle_progress {
	uint64_t entries;
	uint64_t bytes;       /* unpacked so far */
	uint64_t read_bytes;  /* of the archive, so far */
	uint64_t total_bytes; /* of the archive; 0 if unknown */
};

struct bundle_unpack;

struct bundle_callbacks {
	/* At most ten times a second; may be NULL. */
	void (*on_progress)(struct bundle_unpack *unpack,
		const struct bundle_progress *progress, void *userdata);
	/* A finding such as a dropped setuid bit, printable UTF-8; may be NULL. */
	void (*on_warning)(struct bundle_unpack *unpack, const char *text, void *userdata);
	/* Once: r is 0, or a negative errno with err filled and nothing left at target_dir
	 * (what stood there before still does). The only one that may free the unpack. */
	void (*on_done)(
		struct bundle_unpack *unpack, int r, const struct error *err, void *userdata);
	void *userdata;
};

/*
 * Fills target_dir from the bundle in a child of ours: unpacked (or copied), one wrapping
 * directory stripped by the reference's rule, synced by nobody yet (the caller syncs the file
 * system before it relies on it). It is filled under the name "<target_dir>.tmp" and renamed
 * when it is whole; what an earlier, killed process left of that name is removed. The directory
 * itself is root's, 0755. Archives need root.
 *
 * A copied directory keeps modes (but setuid and setgid bits), owners, times, links as links,
 * extended attributes and ACLs; a fifo, socket or device in it is refused.
 *
 * Returns 0 or a negative errno with err filled, in which case no callback follows.
 */
int bundle_unpack_start(struct bundle_unpack **ret, struct loop *loop,
	const struct bundle_request *request, const struct bundle_callbacks *callbacks,
	struct error *err);

/* Ends the child if it still runs and removes what it left, which may take a while. */
void bundle_unpack_free(struct bundle_unpack *unpack);
void bundle_unpack_freep(struct bundle_unpack **unpack);
