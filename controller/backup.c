/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "config.h"
#include "controller/backup_item.h"
#include "controller/settings.h"
#include "controller/store.h"

enum { LIMIT_FILES = 32, COPY_BYTES = 64 * 1024 };

/* One file to be put in, held open so that it stays what was hashed. */
struct member {
	char *name;
	int fd;
	uint64_t size;
	char sha256[DIGEST_HEX_SIZE];
};

struct backup {
	const struct backup_request *request;
	struct member members[LIMIT_FILES];
	size_t n;
	char *copy;      /* of the database: a temporary file */
	char *temporary; /* of the archive */
	int fd;
	struct archive *archive;
};

static void backup_done(struct backup *backup)
{
	for (size_t i = 0; i < backup->n; i++) {
		free(backup->members[i].name);
		closep(&backup->members[i].fd);
	}
	if (backup->archive)
		(void)archive_write_free(backup->archive);
	if (backup->copy)
		(void)unlink(backup->copy);
	if (backup->fd >= 0)
		(void)unlink(backup->temporary);
	closep(&backup->fd);
	free(backup->copy);
	free(backup->temporary);
}

/* ---- what goes in */

static int hash(struct member *member, const char *path, struct error *err)
{
	cleanup_with(digest_freep) struct digest *digest = digest_new();
	uint8_t value[DIGEST_BYTES];
	char bytes[COPY_BYTES];
	ssize_t n;

	while ((n = pread(member->fd, bytes, sizeof(bytes), (off_t)member->size)) > 0) {
		digest_update(digest, bytes, (size_t)n);
		member->size += (uint64_t)n;
	}
	explicit_bzero(bytes, sizeof(bytes));
	if (n < 0)
		return error_set(err, -errno, "cannot read %s: %m", path);
	digest_finish(digest, value);
	digest_format(value, member->sha256);
	return 0;
}

static int add(struct backup *backup, const char *name, const char *path, struct error *err)
{
	struct member *member = &backup->members[backup->n];
	struct stat st;

	*member = (struct member){ .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) };
	if (member->fd < 0)
		return error_set(err, -errno, "cannot open %s: %m", path);
	member->name = xstrdup(name);
	backup->n++;
	if (fstat(member->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "%s is not a regular file", path);
	return hash(member, path, err);
}

/* A database that was never made is no reason to have no backup of the keys. */
static int copy_database(struct backup *backup, const char *name, struct error *err)
{
	const char *path = backup->request->settings->database;
	int r;

	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	backup->copy = xasprintf("%s.database.tmp", backup->request->path);
	r = store_backup_file(path, backup->copy, err);
	return r < 0 ? r : add(backup, name, backup->copy, err);
}

static int add_item(struct backup *backup, const struct backup_item *item, struct error *err)
{
	const struct settings *settings = backup->request->settings;
	const char *path = backup_item_path(item, settings);
	cleanup_with(freep) char *name = backup_item_name(item, settings);

	if (item->is_key && !backup->request->with_keys)
		return 0;
	if (path == settings->database)
		return copy_database(backup, name, err);
	if (item->is_optional && access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	return add(backup, name, path, err);
}

static int collect(struct backup *backup, struct error *err)
{
	int r = add(backup, BACKUP_CONFIG, backup->request->settings->path, err);

	for (size_t i = 0; i < n_backup_items && r == 0; i++)
		r = add_item(backup, &backup_items[i], err);
	return r;
}

/* ---- the archive */

static int fail(struct backup *backup, struct error *err)
{
	int r = archive_errno(backup->archive) > 0 ? -archive_errno(backup->archive) : -EIO;

	return error_set(err, r, "cannot write %s: %s", backup->temporary, strerror(-r));
}

static int write_header(
	struct backup *backup, const char *name, uint64_t size, struct error *err)
{
	struct archive_entry *entry = archive_entry_new();
	int r;

	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0600);
	archive_entry_set_size(entry, (la_int64_t)size);
	archive_entry_set_mtime(entry, (time_t)(backup->request->now_ms / 1000), 0);
	r = archive_write_header(backup->archive, entry);
	archive_entry_free(entry);
	return r == ARCHIVE_OK ? 0 : fail(backup, err);
}

static int write_data(struct backup *backup, const char *data, size_t n, struct error *err)
{
	/* Less than all is written only of what is longer than the header said. */
	return archive_write_data(backup->archive, data, n) == (la_ssize_t)n
		       ? 0
		       : fail(backup, err);
}

/* A file that changed since it was hashed is caught by restore, but better here. */
static int write_member(struct backup *backup, struct member *member, struct error *err)
{
	char bytes[COPY_BYTES];
	uint64_t at = 0;
	int r = write_header(backup, member->name, member->size, err);

	while (r == 0 && at < member->size) {
		uint64_t left = member->size - at;
		size_t want = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);
		ssize_t n = pread(member->fd, bytes, want, (off_t)at);

		if (n <= 0)
			r = error_set(err, n < 0 ? -errno : -EIO, "cannot read %s: %s",
				member->name, n < 0 ? strerror(errno) : "it shrank");
		else
			r = write_data(backup, bytes, (size_t)n, err);
		at += n > 0 ? (uint64_t)n : 0;
	}
	explicit_bzero(bytes, sizeof(bytes));
	return r;
}

static json_t *make_index(const struct backup *backup)
{
	const struct backup_request *request = backup->request;
	json_t *files = json_array();

	for (size_t i = 0; i < backup->n; i++) {
		const struct member *member = &backup->members[i];

		(void)json_array_append_new(
			files, json_pack("{s:s, s:I, s:s}", "Name", member->name, "Bytes",
				       (json_int_t)member->size, "Sha256", member->sha256));
	}
	return json_pack("{s:i, s:s, s:I, s:s, s:b, s:o}", "Format", BACKUP_FORMAT, "Version",
		VERSION, "CreatedMs", (json_int_t)request->now_ms, "Name",
		request->settings->names[0], "HoldsKeys", request->with_keys, "Files", files);
}

static int write_index(struct backup *backup, struct error *err)
{
	cleanup_with(json_decrefp) json_t *index = make_index(backup);
	cleanup_with(freep) char *text = index ? json_dumps(index, JSON_INDENT(1)) : NULL;
	int r;

	if (!text)
		return error_set(err, -ENOMEM, "cannot make " BACKUP_INDEX);
	r = write_header(backup, BACKUP_INDEX, strlen(text), err);
	return r < 0 ? r : write_data(backup, text, strlen(text), err);
}

static int open_archive(struct backup *backup, struct error *err)
{
	backup->fd = open(
		backup->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (backup->fd < 0)
		return error_set(err, -errno, "cannot make %s: %m", backup->temporary);
	backup->archive = archive_write_new();
	if (!backup->archive ||
		archive_write_set_format_pax_restricted(backup->archive) != ARCHIVE_OK ||
		archive_write_add_filter_none(backup->archive) != ARCHIVE_OK ||
		archive_write_open_fd(backup->archive, backup->fd) != ARCHIVE_OK)
		return fail(backup, err);
	return 0;
}

static int write_archive(struct backup *backup, struct error *err)
{
	int r = open_archive(backup, err);

	if (r == 0)
		r = write_index(backup, err);
	for (size_t i = 0; i < backup->n && r == 0; i++)
		r = write_member(backup, &backup->members[i], err);
	if (r == 0 && archive_write_close(backup->archive) != ARCHIVE_OK)
		r = fail(backup, err);
	if (r == 0 && fsync(backup->fd) < 0)
		r = error_set(err, -errno, "cannot write %s: %m", backup->temporary);
	return r;
}

/* ---- the whole */

static int check_free(const struct backup_request *request, struct error *err)
{
	size_t n = (size_t)(path_base(request->path) - request->path);
	cleanup_with(freep) char *directory = n > 0 ? xstrndup(request->path, n) : xstrdup(".");

	if (file_exists(AT_FDCWD, request->path))
		return error_set(
			err, -EEXIST, "%s is there already; give another name", request->path);
	/* Else the complaint would be of a temporary file that nobody named. */
	if (access(directory, W_OK | X_OK) < 0)
		return error_set(err, -errno, "cannot write a backup into %s: %m", directory);
	return 0;
}

static int sync_directory(const char *path, struct error *err)
{
	size_t n = (size_t)(path_base(path) - path);
	cleanup_with(freep) char *directory = n > 0 ? xstrndup(path, n) : xstrdup(".");
	int r = file_sync_dir(AT_FDCWD, directory);

	return r < 0 ? error_set(err, r, "cannot sync %s: %m", directory) : 0;
}

/* link() and not rename(): it never replaces, on no file system. */
static int publish(struct backup *backup, uint64_t *ret_bytes, struct error *err)
{
	struct stat st;

	if (fstat(backup->fd, &st) < 0)
		return error_set(err, -errno, "cannot read %s: %m", backup->temporary);
	if (link(backup->temporary, backup->request->path) < 0) {
		if (errno == EEXIST || (errno != EPERM && errno != EOPNOTSUPP))
			return error_set(
				err, -errno, "cannot make %s: %m", backup->request->path);
		/* A file system without links. */
		if (rename(backup->temporary, backup->request->path) < 0)
			return error_set(
				err, -errno, "cannot make %s: %m", backup->request->path);
	}
	*ret_bytes = (uint64_t)st.st_size;
	(void)unlink(backup->temporary); /* the file has its name */
	return sync_directory(backup->request->path, err);
}

int backup_make(uint64_t *ret_bytes, const struct backup_request *request, struct error *err)
{
	cleanup_with(backup_done) struct backup backup = {
		.request = request,
		.temporary = xasprintf("%s.tmp", request->path),
		.fd = -1,
	};
	int r = check_free(request, err);

	if (r == 0) {
		/* Of one that was killed. */
		(void)unlink(backup.temporary);
		r = collect(&backup, err);
	}
	if (r == 0)
		r = write_archive(&backup, err);
	return r < 0 ? r : publish(&backup, ret_bytes, err);
}
