/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/label.h"

#include <errno.h>
#include <selinux/context.h>
#include <selinux/label.h>
#include <selinux/selinux.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "appspec/appspec.h"
#include "agent/xattr.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"

bool label_enabled(void)
{
	static int enabled = -1;

	if (enabled < 0)
		enabled = is_selinux_enabled() == 1;
	return enabled;
}

static struct selabel_handle *policy(void)
{
	static struct selabel_handle *handle;

	if (!handle)
		handle = selabel_open(SELABEL_CTX_FILE, NULL, 0);
	return handle;
}

static int change(context_t label, const struct appspec_context *context)
{
	if ((context->user && context_user_set(label, context->user) != 0) ||
		context_type_set(label, context->type) != 0 ||
		(context->range && context_range_set(label, context->range) != 0))
		return -EINVAL;
	return 0;
}

int label_make(
	const char *path, mode_t mode, const struct appspec_context *context, struct buf *ret)
{
	struct selabel_handle *handle = policy();
	char *text = NULL;
	context_t label;
	int r;

	if (!handle)
		return -errno;
	r = selabel_lookup(handle, &text, path, (int)mode);
	if (r < 0 && errno != ENOENT)
		return -errno;
	if (r < 0 && !context)
		return 0;
	label = context_new(text ? text : "system_u:object_r:default_t:s0");
	freecon(text);
	if (!label)
		return -EINVAL;
	r = context ? change(label, context) : 0;
	if (r == 0) {
		const char *whole = context_str(label);

		if (whole)
			buf_append(ret, whole, strlen(whole) + 1);
		r = whole ? 1 : -ENOMEM;
	}
	context_free(label);
	return r;
}

/* There is no call that labels a link through a descriptor; /proc stands in for one. */
int label_set_link(int dirfd, const char *name, const void *label, size_t n)
{
	cleanup_with(freep) char *path = xasprintf("/proc/self/fd/%d/%s", dirfd, name);

	return lsetxattr(path, XATTR_LABEL_NAME, label, n, 0) < 0 ? -errno : 0;
}
