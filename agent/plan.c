/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/error.h"
#include "base/file.h"

static void add(struct plan *plan, enum severity severity, unsigned line, unsigned column,
	const char *id, const char *format, va_list ap) __attribute__((format(printf, 6, 0)));

static void add(struct plan *plan, enum severity severity, unsigned line, unsigned column,
	const char *id, const char *format, va_list ap)
{
	diagnostics_addv(plan->problems, severity, plan->request.spec->name, line, column, id,
		format, ap);
}

void plan_problem(struct plan *plan, uint32_t entry, const char *id, const char *format, ...)
{
	const struct mark *mark = &plan->request.spec->files[entry].mark;
	va_list ap;

	va_start(ap, format);
	add(plan, SEVERITY_ERROR, mark->line, mark->column, id, format, ap);
	va_end(ap);
}

void plan_conflict(struct plan *plan, uint32_t entry, const char *id, const char *format, ...)
{
	const struct appspec *spec = plan->request.spec;
	const struct mark *mark = entry == PLAN_NO_ENTRY ? NULL : &spec->files[entry].mark;
	va_list ap;

	va_start(ap, format);
	add(plan, plan->stage == PLAN_AT_INSTALL ? SEVERITY_ERROR : SEVERITY_WARNING,
		mark ? mark->line : 0, mark ? mark->column : 0, id, format, ap);
	va_end(ap);
}

void plan_warning(
	struct plan *plan, const struct mark *mark, const char *id, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	add(plan, SEVERITY_WARNING, mark ? mark->line : 0, mark ? mark->column : 0, id, format,
		ap);
	va_end(ap);
}

char *plan_path(const struct plan *plan, uint32_t node)
{
	struct buf path = { 0 };

	tree_path(&plan->tree, node, &path);
	return buf_steal(&path);
}

bool plan_skips_compare(const struct plan *plan)
{
	return plan->request.skip_compare && plan->stage == PLAN_BEFORE_HOOKS;
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	tree_done(&plan->tree);
	sources_done(&plan->sources);
	grants_done(&plan->grants);
	manifest_head_done(&plan->before);
	for (size_t i = 0; i < plan->n_heirs; i++)
		free(plan->heirs[i].default_acl);
	free(plan->heirs);
	closep(&plan->root_fd);
	closep(&plan->bundle_fd);
	free((char *)plan->request.install_root);
	free((char *)plan->request.bundle_dir);
	free((char *)plan->request.deployment);
	free((char *)plan->request.group);
	free(plan);
}

void plan_freep(struct plan **plan)
{
	plan_free(*plan);
}

static char *normal_install_root(const char *path)
{
	/* Its own path may lead over links; those below it may not. */
	char *normal = path && *path ? realpath(path, NULL) : NULL;

	if (!normal && path && *path)
		normal = path_normalise("/", path); /* opening it will say what is wrong */

	if (!normal || strcmp(normal, "/") != 0)
		return normal;
	free(normal);
	return NULL;
}

static struct plan *plan_new(const struct install_request *request, enum plan_stage stage,
	struct diagnostics *problems)
{
	struct plan *plan = xcalloc(1, sizeof(*plan));

	plan->request = *request;
	plan->request.install_root = normal_install_root(request->install_root);
	plan->request.bundle_dir = path_normalise("/", request->bundle_dir);
	plan->request.deployment = xstrdup(request->deployment);
	plan->request.group = xstrdup(request->group);
	plan->stage = stage;
	plan->problems = problems;
	plan->root_fd = plan->bundle_fd = -1;
	tree_init(&plan->tree);
	sources_init(&plan->sources);
	grants_init(&plan->grants);
	return plan;
}

static int open_ends(struct plan *plan, struct error *err)
{
	const char *root = plan->request.install_root ? plan->request.install_root : "/";

	plan->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (plan->root_fd < 0)
		return error_set(err, -errno, "cannot open install root %s: %m", root);
	plan->bundle_fd = open(plan->request.bundle_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (plan->bundle_fd < 0)
		return error_set(
			err, -errno, "cannot open bundle %s: %m", plan->request.bundle_dir);
	return 0;
}

static int make(struct plan *plan, struct error *err)
{
	int r = open_ends(plan, err);

	if (r >= 0)
		r = manifest_load(plan, err);
	if (r >= 0)
		r = sources_collect(plan, err);
	if (r < 0)
		return r;
	tree_sort(&plan->tree);
	r = grants_apply(plan, err);
	if (r < 0)
		return r;
	tree_sort(&plan->tree);
	r = plan_decide(plan, err);
	return r < 0 ? r : plan_measure(plan, err);
}

int install_plan(struct plan **ret, const struct install_request *request,
	enum plan_stage stage, struct diagnostics *problems, struct error *err)
{
	cleanup_with(plan_freep) struct plan *plan = NULL;
	size_t errors = problems->n_errors;
	int r;

	if (!root_id_is_safe(request->group) || !root_id_is_safe(request->deployment))
		return error_set(err, -EINVAL,
			"group '%s' or deployment '%s' is not a usable id", request->group,
			request->deployment);
	plan = plan_new(request, stage, problems);
	r = make(plan, err);
	plan->problems = NULL;
	if (r < 0)
		return error_wrap(err, "cannot plan the installation");
	if (problems->n_errors > errors)
		return error_set(err, -EINVAL, "the installation has %zu problem%s",
			problems->n_errors - errors,
			problems->n_errors - errors == 1 ? "" : "s");
	*ret = take(&plan);
	return 0;
}
