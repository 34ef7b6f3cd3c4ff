/* SPDX-License-Identifier: Apache-2.0 */
#include "appspec/acl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"

enum { MAX_FIELDS = 4 };

static const struct type_name {
	const char *brief;
	const char *name;
} type_names[] = {
	[ACL_TYPE_USER] = { "u", "user" },
	[ACL_TYPE_GROUP] = { "g", "group" },
	[ACL_TYPE_MASK] = { "m", "mask" },
	[ACL_TYPE_OTHER] = { "o", "other" },
};

static int find_type(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(type_names); i++)
		if (strcmp(text, type_names[i].brief) == 0 ||
			strcmp(text, type_names[i].name) == 0)
			return (int)i;
	return -ENOENT;
}

static bool is_default_marker(const char *text)
{
	return strcmp(text, "d") == 0 || strcmp(text, "default") == 0;
}

/* Splits at every colon, in place. Returns how many fields there are, even if more than fit. */
static size_t split(char *text, char *fields[static MAX_FIELDS])
{
	size_t n = 0;
	char *field;

	while ((field = strsep(&text, ":"))) {
		if (n < MAX_FIELDS)
			fields[n] = field;
		n++;
	}
	return n;
}

static int parse_perms(unsigned *ret, const char *text)
{
	unsigned perms = 0;

	if (text[0] >= '0' && text[0] <= '7' && text[1] == '\0') {
		*ret = (unsigned)(text[0] - '0');
		return 0;
	}
	for (; *text; text++) {
		if (!strchr("rwx-", *text))
			return -EINVAL;
		perms |= *text == 'r' ? 4 : *text == 'w' ? 2 : *text == 'x' ? 1 : 0;
	}
	*ret = perms;
	return 0;
}

/* A name without a type means a user, or the mask or the others if it is their name. */
static void read_short(struct appspec_acl *acl, const char **name, const char *field)
{
	int type = find_type(field);

	if (type == ACL_TYPE_MASK || type == ACL_TYPE_OTHER) {
		acl->type = (enum acl_type)type;
		*name = "";
	} else {
		acl->type = ACL_TYPE_USER;
		*name = field;
	}
}

static int read_typed(
	struct appspec_acl *acl, const char *text, const char *field, struct error *err)
{
	int type = find_type(field);

	if (type < 0)
		return error_set(err, -EINVAL,
			"ACL entry '%s' has the unknown type '%s'; allowed are u, user, g, "
			"group, m, mask, o and other",
			quote(text), quote(field));
	acl->type = (enum acl_type)type;
	return 0;
}

/* Decides by the number of fields what each of them is. */
static int read_fields(struct appspec_acl *acl, const char **name, const char *text,
	char *const *fields, size_t n, struct error *err)
{
	if (n < 2 || n > MAX_FIELDS)
		return error_set(err, -EINVAL,
			"ACL entry '%s' has %zu fields; allowed is "
			"[default:][type:]name:perms, "
			"as in 'user:bob:rw'",
			quote(text), n);
	acl->is_default = n > 2 && is_default_marker(fields[0]);
	if (n == 2 || (n == 3 && acl->is_default)) {
		read_short(acl, name, fields[n - 2]);
		return 0;
	}
	if (n == 4 && !acl->is_default)
		return error_set(err, -EINVAL,
			"ACL entry '%s' starts with '%s'; the first of four fields must be d "
			"or default",
			quote(text), quote(fields[0]));
	*name = fields[n - 2];
	return read_typed(acl, text, fields[n - 3], err);
}

int acl_parse(struct appspec_acl *ret, const char *text, const char **ret_id, struct error *err)
{
	cleanup_with(freep) char *copy = xstrdup(text);
	struct appspec_acl acl = { 0 };
	char *fields[MAX_FIELDS] = { NULL };
	size_t n = split(copy, fields);
	const char *name = "";
	int r;

	*ret_id = "E-ACE";
	r = read_fields(&acl, &name, text, fields, n, err);
	if (r < 0)
		return r;
	if ((acl.type == ACL_TYPE_MASK || acl.type == ACL_TYPE_OTHER) && name[0] != '\0')
		return error_set(err, -EINVAL,
			"ACL entry '%s' gives the name '%s' to the %s, which has none",
			quote(text), quote(name), type_names[acl.type].name);
	if (!acl.is_default && name[0] == '\0' && acl.type != ACL_TYPE_MASK) {
		*ret_id = "E-ACE-BASE";
		return error_set(err, -EINVAL,
			"ACL entry '%s' is a base entry (%s); set it with mode", quote(text),
			type_names[acl.type].name);
	}
	if (parse_perms(&acl.perms, fields[n - 1]) < 0) {
		*ret_id = "E-ACE-PERM";
		return error_set(err, -EINVAL,
			"ACL entry '%s' has the permissions '%s'; allowed are one digit from "
			"0 to 7 or the letters r, w, x and -",
			quote(text), quote(fields[n - 1]));
	}
	acl.name = xstrdup(name);
	*ret = acl;
	return 0;
}

char *appspec_acl_format(const struct appspec_acl *acl)
{
	return xasprintf("%s%s:%s:%c%c%c", acl->is_default ? "default:" : "",
		type_names[acl->type].name, acl->name, acl->perms & 4 ? 'r' : '-',
		acl->perms & 2 ? 'w' : '-', acl->perms & 1 ? 'x' : '-');
}
