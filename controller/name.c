/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/name.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stddef.h>
#include <string.h>

bool name_is_address(const char *name)
{
	struct in6_addr address;

	return inet_pton(AF_INET, name, &address) == 1 ||
	       inet_pton(AF_INET6, name, &address) == 1;
}

static bool is_label(const char *text, size_t n)
{
	if (n == 0 || n > 63 || text[0] == '-' || text[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '-')
			return false;
	return true;
}

static bool is_dns_name(const char *name)
{
	const char *label = name;

	if (strlen(name) > 253)
		return false;
	for (;;) {
		size_t n = strcspn(label, ".");

		if (!is_label(label, n))
			return false;
		if (label[n] == '\0')
			break;
		label += n + 1;
	}
	/* "1.2.3" would be taken for an address by some, and for a name by others. */
	return !isdigit((unsigned char)label[0]);
}

bool name_is_valid(const char *name)
{
	return name_is_address(name) || is_dns_name(name);
}
