/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

/* Known to the reference or to the agent's service, and without a meaning for a deployment by
 * hand. */
static const char *const elsewhere[] = { "program_name", "log_dir", "pid_dir", "verbose",
	"log_aws_wire", "wait_between_runs", "wait_after_error", "proxy_uri", "disable_imds_v1",
	"http_read_timeout", "deploy_control_endpoint", "s3_endpoint_override",
	"enable_auth_policy", "use_fips_mode", "use_mock_command_service",
	"on_premises_config_file", "ongoing_deployment_tracking",
	"kill_agent_max_wait_time_seconds", "wait_after_throttle_error",
	"wait_after_connection_problem", "wait_between_spawning_children", "children",
	"max_runs_per_worker", "user", "group", "codedeploy_test_profile", "plugins",
	"shared_dir", "instance_service_region", "instance_service_endpoint",
	"instance_service_port", "enable_archive_reuse", "enable_command_port",
	"disable_core_dumps", "archive_max_extraction_size", "reject_symlinks_in_bundle",
	"reject_path_traversal_in_bundle", "reject_unsafe_permissions_in_bundle",
	"reject_unconfined_selinux_in_bundle", "reject_symlink_permission_targets",
	"ignore_ownership_in_bundle", "restrict_agent_dir_permissions",
	"restrict_log_dir_permissions", "restrict_hook_env_to_allowlist",
	"strip_loader_env_in_hooks", "disable_powershell_profile_in_hooks", "ssl_verify_peer" };

struct place {
	const char *path;
	size_t line;
};

static int parse_flag(
	const char *value, bool *ret, const struct place *place, struct error *err)
{
	if (strcasecmp(value, "true") == 0 || strcasecmp(value, "yes") == 0)
		*ret = true;
	else if (strcasecmp(value, "false") == 0 || strcasecmp(value, "no") == 0)
		*ret = false;
	else
		return error_set(err, -EINVAL, "%s:%zu: '%s' is neither true nor false",
			place->path, place->line, value);
	return 0;
}

static int set_root(struct settings *settings, const char *value, const struct place *place,
	struct error *err)
{
	if (value[0] != '/' || path_has_dotdot(value))
		return error_set(err, -EINVAL,
			"%s:%zu: root_dir '%s' is not an absolute path without \"..\"",
			place->path, place->line, value);
	free(settings->root_dir);
	settings->root_dir = path_normalise("/", value);
	return 0;
}

static int set_revisions(struct settings *settings, const char *value,
	const struct place *place, struct error *err)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || number < 1 || number > 1000)
		return error_set(err, -EINVAL,
			"%s:%zu: max_revisions '%s' is not a number from 1 to 1000",
			place->path, place->line, value);
	settings->max_revisions = (unsigned)number;
	return 0;
}

static int set_log(struct settings *settings, const char *value, const struct place *place,
	struct error *err)
{
	return parse_flag(value, &settings->deployments_log, place, err);
}

static int set_start(struct settings *settings, const char *value, const struct place *place,
	struct error *err)
{
	if (strcmp(value, "bundle") != 0 && strcmp(value, "root") != 0)
		return error_set(err, -EINVAL,
			"%s:%zu: hook_working_directory '%s' is neither bundle nor root",
			place->path, place->line, value);
	settings->start_in_root = strcmp(value, "root") == 0;
	settings->has_start = true;
	return 0;
}

static int set_level(struct settings *settings, const char *value, const struct place *place,
	struct error *err)
{
	(void)settings;
	if (getenv("DROVER_LOG"))
		return 0;
	return log_set_level(value) < 0
		       ? error_set(err, -EINVAL,
				 "%s:%zu: log_level '%s' is none of error, warning, notice, "
				 "info, debug",
				 place->path, place->line, value)
		       : 0;
}

/* clang-format off */
static const struct key {
	const char *name;
	int (*set)(struct settings *settings, const char *value, const struct place *place,
		struct error *err);
} keys[] = {
	{ "root_dir",               set_root },
	{ "max_revisions",          set_revisions },
	{ "enable_deployments_log", set_log },
	{ "hook_working_directory", set_start },
	{ "log_level",              set_level },
};
/* clang-format on */

/* A key without a value is one that was not set; a list or a mapping (value is NULL) is wrong.
 */
static int set_key(struct settings *settings, const struct key *key, const char *value,
	const struct place *place, struct error *err)
{
	if (!value)
		return error_set(err, -EINVAL,
			"%s:%zu: %s takes one plain value, no list or mapping", place->path,
			place->line, key->name);
	if (value[0] == '\0' || strcmp(value, "null") == 0 || strcmp(value, "~") == 0)
		return 0;
	return key->set(settings, value, place, err);
}

static int set_value(struct settings *settings, const char *name, const char *value,
	const struct place *place, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(keys[i].name, name) == 0)
			return set_key(settings, &keys[i], value, place, err);
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
		if (strcmp(elsewhere[i], name) == 0)
			return 0;
	log_warning("%s:%zu: unknown key '%s' is ignored", place->path, place->line, name);
	return 0;
}

/* ":root_dir" (of ":root_dir: x") and "root_dir" are the same key. */
static const char *plain_name(const char *name)
{
	return name[0] == ':' ? name + 1 : name;
}

static const char *text_of(const yaml_node_t *node)
{
	return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value
						      : NULL;
}

static int read_mapping(struct settings *settings, yaml_document_t *document, const char *path,
	struct error *err)
{
	yaml_node_t *top = yaml_document_get_root_node(document);
	int r = 0;

	if (!top || (top->type == YAML_SCALAR_NODE && top->data.scalar.length == 0))
		return 0;
	if (top->type != YAML_MAPPING_NODE)
		return error_set(err, -EINVAL, "%s is not a mapping of keys and values", path);
	for (yaml_node_pair_t *pair = top->data.mapping.pairs.start;
		pair < top->data.mapping.pairs.top && r == 0; pair++) {
		yaml_node_t *key = yaml_document_get_node(document, pair->key);
		const char *name = text_of(key);
		const char *value = text_of(yaml_document_get_node(document, pair->value));
		struct place place = { path, key ? key->start_mark.line + 1 : 0 };

		if (name)
			r = set_value(settings, plain_name(name), value, &place, err);
	}
	return r;
}

static int parse_text(struct settings *settings, const char *text, size_t n, const char *path,
	struct error *err)
{
	yaml_parser_t parser;
	yaml_document_t document;
	int r;

	if (!yaml_parser_initialize(&parser))
		return error_set(err, -ENOMEM, "cannot read %s: %m", path);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
	if (!yaml_parser_load(&parser, &document)) {
		r = error_set(err, -EINVAL, "%s:%zu: %s", path, parser.problem_mark.line + 1,
			parser.problem ? parser.problem : "not YAML");
		yaml_parser_delete(&parser);
		return r;
	}
	r = read_mapping(settings, &document, path, err);
	yaml_document_delete(&document);
	yaml_parser_delete(&parser);
	return r;
}

/* A link is fine here: who may write /etc is root. Non-blocking, for the sake of a fifo. */
static int read_text(const char *path, struct buf *ret, struct error *err)
{
	cleanup_with(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return error_set(err, -errno, "cannot open the configuration %s: %m", path);
	return file_read_fd(fd, path, SETTINGS_LIMIT_BYTES, ret, err);
}

int settings_parse(struct settings *settings, const char *text, size_t n, const char *path,
	struct error *err)
{
	int r;

	*settings = (struct settings){ .max_revisions = SETTINGS_DEFAULT_REVISIONS,
		.deployments_log = true };
	r = parse_text(settings, text, n, path, err);
	if (r < 0)
		settings_done(settings);
	return r;
}

int settings_load(
	struct settings *settings, const char *path, bool must_exist, struct error *err)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	int r = read_text(path, &text, err);

	if (r < 0 && (r != -ENOENT || must_exist))
		return r;
	return settings_parse(settings, text.data ? text.data : "", text.len, path, err);
}

void settings_done(struct settings *settings)
{
	freep(&settings->root_dir);
	settings->root_dir = NULL;
}
