/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/site.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/install.h"
#include "agent/options.h"
#include "agent/recovery.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

static const char default_config[] = "/etc/drover/agent.yml";
static const char default_state[] = "/var/lib/drover";
static const char reference_config[] = "/etc/codedeploy-agent/conf/codedeployagent.yml";
static const char reference_root[] = "/opt/codedeploy-agent/deployment-root";

static int absolute(const char *path, char **ret, struct error *err)
{
	cleanup_with(freep) char *here = path[0] == '/' ? xstrdup("/") : getcwd(NULL, 0);

	if (!here)
		return error_set(err, -errno, "cannot find out the current directory: %m");
	*ret = path_normalise(here, path);
	return 0;
}

static int open_root(struct site *site, const struct options *options, const char *path,
	bool make, struct error *err)
{
	int r = 0;

	if (options->install_root)
		r = absolute(options->install_root, &site->install_root, err);
	if (r < 0)
		return r;

	if (!make && !file_exists(AT_FDCWD, path))
		return error_set(
			err, -ENOENT, "nothing was ever deployed here: there is no %s", path);
	r = root_open(&site->root, path, make, err);
	return r < 0 ? r : groups_load(&site->groups, &site->root, err);
}

int site_open(struct site *site, const struct options *options, bool make, struct error *err)
{
	cleanup_with(freep) char *state = NULL;
	cleanup_with(freep) char *path = NULL;
	int r = settings_load(&site->settings,
		options->config ? options->config : default_config, options->config != NULL,
		err);

	if (r < 0)
		return error_recode(err, -EINVAL);
	if (!options->state_dir && site->settings.root_dir)
		return open_root(site, options, site->settings.root_dir, make, err);
	r = absolute(options->state_dir ? options->state_dir : default_state, &state, err);
	if (r < 0)
		return r;
	path = path_join(state, "deployment-root");
	return open_root(site, options, path, make, err);
}

int site_open_local(struct site *site, const struct options *options, struct error *err)
{
	int r = settings_load(&site->settings,
		options->config ? options->config : reference_config, options->config != NULL,
		err);

	if (r < 0)
		return error_recode(err, -EINVAL);
	if (!site->settings.has_start)
		site->settings.start_in_root = true;
	if (site->settings.root_dir)
		return open_root(site, options, site->settings.root_dir, true, err);
	if (file_exists(AT_FDCWD, reference_root))
		return open_root(site, options, reference_root, true, err);
	return open_root(site, options, "/var/lib/drover/deployment-root", true, err);
}

int site_choose_group(
	struct site *site, const struct options *options, bool may_be_new, struct error *err)
{
	const struct group_wish wish = { options->group, options->application, may_be_new };

	return groups_choose(&site->groups, &wish, &site->group, err);
}

int site_lock_group(struct site *site, const char *command, int64_t wait_ms, char **ret_said,
	struct error *err)
{
	int r = lock_take(&site->lock, &site->root, site->group.id, command, wait_ms, err);

	return r < 0 ? r : recovery_run(&site->root, site->group.id, ret_said, err);
}

int site_settle_install_root(struct site *site, bool adopt, struct error *err)
{
	cleanup_with(freep) char *installed = NULL;
	cleanup_with(freep) char *label = group_label(&site->group);
	int r = install_root_of(&site->root, site->group.id, &installed, err);

	if (r < 0 || !installed)
		return r;
	if (strcmp(installed, site->install_root ? site->install_root : "") == 0)
		return 0;
	if (adopt && !site->install_root) {
		site->install_root = take(&installed);
		return 0;
	}
	return error_set(err, -EINVAL,
		"the group %s is installed %s%s; %s%s, or choose another --group or "
		"--state-dir",
		label, installed[0] ? "below " : "without --install-root", installed,
		installed[0] ? "give --install-root " : "leave it out", installed);
}

void site_done(struct site *site)
{
	lock_release(&site->lock);
	free(site->install_root);
	group_done(&site->group);
	groups_done(&site->groups);
	root_done(&site->root);
	settings_done(&site->settings);
}
