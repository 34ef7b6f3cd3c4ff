/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/backup_item.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "controller/settings.h"

/* clang-format off */
const struct backup_item backup_items[] = {
#define AT(member) offsetof(struct settings, member)
	{ "database", "droverd.db", AT(database), false, false },
	{ "ca_certificate", "ca.pem", AT(ca_certificate), false, false },
	{ "ca_key", "keys/ca.key", AT(ca_key), true, false },
	{ "server_certificate", "keys/server.pem", AT(server_certificate), true, false },
	{ "server_key", "keys/server.key", AT(server_key), true, false },
	{ "signing_certificate", "keys/signing.pem", AT(signing_certificate), true, false },
	{ "signing_key", "keys/signing.key", AT(signing_key), true, false },
	{ "aws_signing_certificate", "keys/aws-signing.pem", AT(aws_signing_certificate), true, false },
	{ "aws_signing_key", "keys/aws-signing.key", AT(aws_signing_key), true, false },
	{ "admin_key", "keys/admin.json", AT(admin_key), true, true },
#undef AT
};
/* clang-format on */
const size_t n_backup_items = ARRAY_SIZE(backup_items);

#define ELSEWHERE "elsewhere/"

const char *backup_item_path(const struct backup_item *item, const struct settings *settings)
{
	const char *at = (const char *)settings + item->offset;

	return *(char *const *)(const void *)at;
}

char *backup_item_name(const struct backup_item *item, const struct settings *settings)
{
	cleanup_with(freep) char *usual = path_join(settings->directory, item->name);

	return strcmp(usual, backup_item_path(item, settings)) == 0
		       ? xstrdup(item->name)
		       : xasprintf(ELSEWHERE "%s", item->setting);
}

bool backup_name_is_known(const char *name)
{
	size_t n = strlen(ELSEWHERE);

	if (strcmp(name, BACKUP_CONFIG) == 0)
		return true;
	for (size_t i = 0; i < n_backup_items; i++)
		if (strcmp(backup_items[i].name, name) == 0 ||
			(strncmp(name, ELSEWHERE, n) == 0 &&
				strcmp(backup_items[i].setting, name + n) == 0))
			return true;
	return false;
}
