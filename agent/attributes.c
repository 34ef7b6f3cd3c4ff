/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attributes.h"

#include <sys/stat.h>

#include "agent/acl.h"
#include "agent/label.h"
#include "agent/plan.h"
#include "agent/xattr.h"
#include "base/buf.h"
#include "base/cleanup.h"

/* An access ACL that says no more than the mode is not kept by the kernel, so it is not wanted.
 */
static void put_access(struct buf *xattrs, const char *acl, size_t n, mode_t *mode)
{
	*mode = acl_mode(acl, n, *mode);
	if (!acl_is_minimal(acl, n))
		xattrs_put(xattrs, ACL_ACCESS_NAME, acl, n);
}

/* As chmod on the source's ACL, or on the one that the directory above hands down. */
static void put_given(struct buf *xattrs, const char *acl, size_t n, mode_t *mode)
{
	cleanup_with(buf_done) struct buf copy = { 0 };

	buf_append(&copy, acl, n);
	if (acl_chmod(copy.data, copy.len, *mode))
		put_access(xattrs, copy.data, copy.len, mode);
}

static void put_granted(
	const struct plan *plan, const struct grant *grant, struct buf *xattrs, mode_t *mode)
{
	const struct acl_entry *entries = plan->grants.names[grant->acl_of].acls;
	size_t n = grant->acl->n_acls;
	cleanup_with(buf_done) struct buf acl = { 0 };
	mode_t given = *mode;

	acl_make(&acl, entries, n, false, given);
	if (acl.len)
		put_access(xattrs, acl.data, acl.len, mode);
	buf_clear(&acl);
	acl_make(&acl, entries, n, true, given);
	if (acl.len && S_ISDIR(given))
		xattrs_put(xattrs, ACL_DEFAULT_NAME, acl.data, acl.len);
}

static int put_label(const struct plan *plan, uint32_t node, struct buf *xattrs)
{
	const struct node *at = tree_node(&plan->tree, node);
	const struct grant *grant = grant_at(&plan->grants, at->grant);
	cleanup_with(buf_done) struct buf path = { 0 };
	cleanup_with(buf_done) struct buf label = { 0 };
	int r;

	tree_path(&plan->tree, node, &path);
	r = label_make(path.data, at->mode,
		grant && grant->context ? &grant->context->context : NULL, &label);
	if (r > 0)
		xattrs_put(xattrs, XATTR_LABEL_NAME, label.data, label.len);
	return r < 0 ? r : 0;
}

int attributes_want(const struct plan *plan, uint32_t node, int source_fd, struct buf *xattrs,
	mode_t *ret_mode)
{
	const struct node *at = tree_node(&plan->tree, node);
	const struct grant *grant = grant_at(&plan->grants, at->grant);
	const struct heir *heir = at->heir ? &plan->heirs[at->heir - 1] : NULL;
	cleanup_with(buf_done) struct buf source = { 0 };
	mode_t mode = at->mode;
	const char *acl;
	size_t n;
	int r;

	*ret_mode = mode;
	r = source_fd < 0 ? 0 : xattrs_read(source_fd, false, &source);
	if (r < 0)
		return r;
	if (source.len)
		buf_append(xattrs, source.data, source.len);
	if (heir && heir->default_acl) {
		if (S_ISDIR(mode))
			xattrs_put(xattrs, ACL_DEFAULT_NAME, heir->default_acl,
				heir->default_acl_n);
		put_given(xattrs, heir->default_acl, heir->default_acl_n, ret_mode);
	} else if (source.len &&
		   (acl = xattrs_find(source.data, source.len, ACL_ACCESS_NAME, &n))) {
		put_given(xattrs, acl, n, ret_mode);
	}
	if (grant && grant->acl) {
		*ret_mode = mode;
		put_granted(plan, grant, xattrs, ret_mode);
	}
	return label_enabled() ? put_label(plan, node, xattrs) : 0;
}
