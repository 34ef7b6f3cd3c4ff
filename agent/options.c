/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/lock.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/option.h"
#include "hooks/lifecycle.h"

enum {
	OF_AGENT = OF_DEPLOY | OF_PLAN | OF_REDEPLOY | OF_ROLLBACK | OF_CHECK | OF_STATUS |
		   OF_FORGET,
	OF_ALL = OF_AGENT | OF_LOCAL,
	OF_CHANGE = OF_DEPLOY | OF_REDEPLOY | OF_ROLLBACK,
	OF_STATE = OF_DEPLOY | OF_PLAN | OF_REDEPLOY | OF_ROLLBACK | OF_STATUS | OF_FORGET,
	MAX_WAIT_S = 365 * 24 * 3600,
};

static const struct option_row rows[] = {
#define TEXT(member) OPTION_TEXT(struct options, member)
#define FLAG(member) OPTION_FLAG(struct options, member)
	/* clang-format off */
	{ "bundle", 'b', "LOCATION", TEXT(bundle), OF_DEPLOY | OF_PLAN,
		"the revision: a directory or an archive" },
	{ "type", 't', "TYPE", TEXT(type_text), OF_DEPLOY | OF_PLAN,
		"directory, zip, tar, tgz, tar.zst or tar.xz (found out if not given)" },
	{ "group", 'g', "NAME", TEXT(group), OF_STATE & ~OF_STATUS,
		"deployment group: its name, application/name, or id; not needed if there is one" },
	{ "application", 'a', "NAME", TEXT(application), OF_STATE & ~OF_STATUS,
		"the application that the group belongs to" },
	{ "events", 'e', "A,B,...", TEXT(events_text), OF_DEPLOY | OF_PLAN | OF_REDEPLOY,
		"only these lifecycle events, DownloadBundle and Install" },
	{ "file-exists-behavior", 0, "X", TEXT(behavior_text), OF_DEPLOY | OF_PLAN,
		"DISALLOW (default), OVERWRITE or RETAIN files that no deployment put there" },
	{ "appspec", 'A', "FILE", TEXT(appspec), OF_DEPLOY | OF_PLAN,
		"name of the appspec in the bundle (default appspec.yml, then appspec.yaml)" },
	{ "to", 0, "REVISION", TEXT(to), OF_ROLLBACK,
		"a deployment id or a location instead of the newest good revision" },
	{ "ignore-stop-failures", 0, NULL, FLAG(ignore_stop_failures), OF_CHANGE | OF_PLAN,
		"go on if scripts of the earlier revision fail (ApplicationStop and its like)" },
	{ "install-root", 0, "DIR", TEXT(install_root), OF_CHANGE | OF_PLAN,
		"put DIR before every destination" },
	{ "working-directory", 0, "WHERE", TEXT(working_directory), OF_CHANGE | OF_LOCAL,
		"where scripts start: bundle or root" },
	{ "wait", 'w', "[=SECONDS]",
		OPTION_TEXT_AND_FLAG(struct options, wait_text, wait), OF_CHANGE | OF_FORGET,
		"wait for a deployment that is under way instead of exit status 3" },
	{ "state-dir", 0, "DIR", TEXT(state_dir), OF_STATE,
		"instead of /var/lib/drover" },
	{ "config", 'c', "FILE", TEXT(config), OF_STATE,
		"instead of /etc/drover/agent.yml" },
	{ "strict", 0, NULL, FLAG(strict), OF_CHECK,
		"exit status 1 if there are warnings" },
	{ "json", 0, NULL, FLAG(json), OF_CHANGE | OF_PLAN | OF_CHECK | OF_STATUS,
		"print JSON: one object a line while something runs, else one document" },
	{ "quiet", 'q', NULL, FLAG(quiet), OF_CHANGE | OF_FORGET,
		"print failures only" },

	{ "bundle-location", 'l', "LOCATION", TEXT(bundle), OF_LOCAL,
		"the revision: a directory or an archive (default: the current directory)" },
	{ "type", 't', "TYPE", TEXT(type_text), OF_LOCAL,
		"directory, zip, tar or tgz (found out if not given)" },
	{ "file-exists-behavior", 'b', "X", TEXT(behavior_text), OF_LOCAL,
		"DISALLOW (default), OVERWRITE or RETAIN files that no deployment put there" },
	{ "deployment-group", 'g', "ID", TEXT(group), OF_LOCAL,
		"deployment group id (default default-local-deployment-group)" },
	{ "deployment-group-name", 'd', "NAME", TEXT(group_name), OF_LOCAL,
		"deployment group name (default LocalFleet)" },
	{ "application-name", 'a', "NAME", TEXT(application), OF_LOCAL,
		"application name (default: the location)" },
	{ "events", 'e', "A,B,...", TEXT(events_text), OF_LOCAL,
		"these events in this order, DownloadBundle and Install before them" },
	{ "agent-configuration-file", 'c', "FILE", TEXT(config), OF_LOCAL,
		"root_dir, max_revisions and the like" },
	{ "appspec-filename", 'A', "FILE", TEXT(appspec), OF_LOCAL,
		"name of the appspec in the bundle (default appspec.yml, then appspec.yaml)" },

	{ "log-level", 0, "LEVEL", TEXT(log_level), OF_ALL,
		"error, warning, notice, info or debug; default DROVER_LOG, else notice" },
	{ "help", 'h', NULL, FLAG(help), OF_ALL, "this help" },
	{ "version", 'v', NULL, FLAG(version), OF_ALL, "the version" },
/* clang-format on */
#undef TEXT
#undef FLAG
};

static int read_wait(struct options *options, struct error *err)
{
	char *end;
	long seconds;

	if (!options->wait)
		return 0;
	options->wait_ms = LOCK_WAIT_FOR_EVER;
	if (!options->wait_text)
		return 0;
	errno = 0;
	seconds = strtol(options->wait_text, &end, 10);
	if (errno != 0 || end == options->wait_text || *end != '\0' || seconds < 0 ||
		seconds > MAX_WAIT_S)
		return error_set(err, -EINVAL,
			"--wait=%s: not a number of seconds, of which a year is the most",
			options->wait_text);
	options->wait_ms = seconds * 1000;
	return 0;
}

static int read_values(struct options *options, enum options_of of, struct error *err)
{
	if (options->type_text && bundle_type_from_text(&options->type, options->type_text) < 0)
		return error_set(err, -EINVAL,
			"--type %s: one of directory, zip, tar, tgz, tar.zst, tar.xz",
			options->type_text);
	if (options->behavior_text &&
		file_exists_behavior_from_text(&options->behavior, options->behavior_text) < 0)
		return error_set(err, -EINVAL,
			"--file-exists-behavior %s: one of DISALLOW, OVERWRITE, RETAIN",
			options->behavior_text);
	if (options->log_level && log_set_level(options->log_level) < 0)
		return error_set(err, -EINVAL,
			"--log-level %s: one of error, warning, notice, info, debug",
			options->log_level);
	if (options->working_directory && strcmp(options->working_directory, "bundle") != 0 &&
		strcmp(options->working_directory, "root") != 0)
		return error_set(err, -EINVAL, "--working-directory %s: bundle or root",
			options->working_directory);
	if (!options->events_text)
		events_all(&options->events);
	else if ((of == OF_LOCAL ? events_parse_local : events_parse)(
			 &options->events, options->events_text, err) < 0)
		return -EINVAL;
	return read_wait(options, err);
}

int options_parse(
	struct options *ret, enum options_of of, int argc, char **argv, struct error *err)
{
	int word;
	int r;

	*ret = (struct options){ 0 };
	r = option_read(ret, rows, ARRAY_SIZE(rows), of, argc, argv, &word, err);
	if (r < 0 || ret->help || ret->version)
		return r;
	if (word < argc && of == OF_CHECK)
		ret->path = argv[word++];
	if (word < argc)
		return error_set(err, -EINVAL, "'%s' is one word too many", argv[word]);
	return read_values(ret, of, err);
}

void options_done(struct options *options)
{
	events_done(&options->events);
}

void options_help(enum options_of of)
{
	option_help(rows, ARRAY_SIZE(rows), of);
}
