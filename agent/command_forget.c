/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/operation.h"
#include "agent/options.h"
#include "agent/revision.h"
#include "agent/site.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

static int prepare(struct site *site, const struct options *options, struct error *err)
{
	cleanup_with(freep) char *said = NULL;
	int r;

	if (!options->group)
		return error_set(err, -EINVAL, "which group? Name it by --group");
	r = site_open(site, options, false, err);
	if (r == 0)
		r = site_choose_group(site, options, false, err);
	if (r == 0)
		r = site_lock_group(site, "drover-agent forget", options->wait_ms, &said, err);
	operation_say_recovered(said);
	return r == -ENOENT ? error_recode(err, -EINVAL) : r;
}

static int remove_pointer(const struct site *site, const char *kind, struct error *err)
{
	cleanup_with(freep) char *name = root_instruction_name(site->group.id, kind);

	if (unlinkat(site->root.instructions_fd, name, 0) < 0 && errno != ENOENT)
		return error_set(err, -errno, "cannot remove %s/deployment-instructions/%s: %m",
			site->root.path, name);
	return 0;
}

/* The installed files stay, and with the manifest the knowledge of whose they are. */
static int forget(const struct site *site, struct error *err)
{
	int r = remove_pointer(site, "_last_successful_install", err);

	if (r == 0)
		r = remove_pointer(site, "_most_recent_install", err);
	if (r == 0)
		r = file_sync_dir(site->root.instructions_fd, ".");
	return r;
}

int command_forget(const struct options *options)
{
	cleanup_with(site_done) struct site site = SITE_NONE;
	cleanup_with(freep) char *installed = NULL;
	cleanup_with(freep) char *label = NULL;
	struct error err = ERROR_NONE;
	int r = prepare(&site, options, &err);

	/* A pointer that cannot be read is one more reason to remove it. */
	if (r == 0)
		(void)revision_installed(&site.root, site.group.id, &installed, NULL);
	if (r == 0)
		r = forget(&site, &err);
	if (r < 0)
		return operation_refuse(r, &err);
	label = group_label(&site.group);
	if (!options->quiet && installed)
		printf("%s: forgot that %s is installed; its files stay, and the next "
		       "deployment "
		       "runs no ApplicationStop of it\n",
			label, installed);
	else if (!options->quiet)
		printf("%s: nothing was known to be installed\n", label);
	return EXIT_DONE;
}
