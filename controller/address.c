/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

static int parse_unix(struct sockaddr_storage *ret, socklen_t *ret_length, const char *path,
	const char *directory, struct error *err)
{
	cleanup_with(freep) char *absolute = path_normalise(directory, path);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t n = strlen(absolute);

	if (path[0] == '\0')
		return error_set(err, -EINVAL, "unix: needs the path of a socket behind it");
	if (path_has_dotdot(absolute))
		return error_set(
			err, -EINVAL, "unix:%s: a path without \"..\" is needed", path);
	if (n >= sizeof(address.sun_path))
		return error_set(err, -EINVAL,
			"unix:%s: %s has %zu bytes, %zu are the most that a socket's path may "
			"have",
			path, absolute, n, sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, absolute, n + 1);
	*ret = (struct sockaddr_storage){ 0 };
	memcpy(ret, &address, sizeof(address));
	*ret_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	return 0;
}

static int parse_port(in_port_t *ret, const char *text)
{
	unsigned long port = 0;
	size_t n = strspn(text, "0123456789");

	if (n == 0 || n > 5 || text[n] != '\0')
		return -EINVAL;
	port = strtoul(text, NULL, 10);
	if (port == 0 || port > UINT16_MAX)
		return -EINVAL;
	*ret = htons((uint16_t)port);
	return 0;
}

static int parse_v6(struct sockaddr_storage *ret, socklen_t *ret_length, const char *host,
	const char *port, struct error *err)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET6, host, &address.sin6_addr) != 1)
		return error_set(err, -EINVAL, "[%s]: no IPv6 address", host);
	if (parse_port(&address.sin6_port, port) < 0)
		return error_set(err, -EINVAL, "[%s]:%s: no port from 1 to 65535", host, port);
	*ret = (struct sockaddr_storage){ 0 };
	memcpy(ret, &address, sizeof(address));
	*ret_length = sizeof(address);
	return 0;
}

static int parse_v4(struct sockaddr_storage *ret, socklen_t *ret_length, const char *host,
	const char *port, struct error *err)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		return error_set(err, -EINVAL,
			"'%s' is no address; write it as 192.0.2.1:8443, 0.0.0.0:8443 for all, "
			"[2001:db8::1]:8443 or unix:PATH (names are not looked up)",
			host);
	if (parse_port(&address.sin_port, port) < 0)
		return error_set(err, -EINVAL, "%s:%s: no port from 1 to 65535", host, port);
	*ret = (struct sockaddr_storage){ 0 };
	memcpy(ret, &address, sizeof(address));
	*ret_length = sizeof(address);
	return 0;
}

int address_parse(struct sockaddr_storage *ret, socklen_t *ret_length, const char *text,
	const char *directory, struct error *err)
{
	cleanup_with(freep) char *host = NULL;
	const char *end;

	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(ret, ret_length, text + 5, directory, err);
	if (text[0] == '[') {
		end = strchr(text, ']');
		if (!end || end[1] != ':')
			return error_set(err, -EINVAL,
				"'%s' is no address; write it as [2001:db8::1]:8443", text);
		host = xstrndup(text + 1, (size_t)(end - text - 1));
		return parse_v6(ret, ret_length, host, end + 2, err);
	}
	end = strrchr(text, ':');
	if (!end && text[strspn(text, "0123456789")] == '\0')
		return error_set(err, -EINVAL,
			"'%s' has no address; write it as 0.0.0.0:%s for all, or 127.0.0.1:%s "
			"for this machine alone",
			text, text[0] ? text : "8443", text[0] ? text : "8443");
	if (!end)
		return error_set(
			err, -EINVAL, "'%s' has no port; write it as %s:8443", text, text);
	host = xstrndup(text, (size_t)(end - text));
	return parse_v4(ret, ret_length, host, end + 1, err);
}

const char *address_path(const struct sockaddr_storage *address)
{
	return ((const struct sockaddr_un *)(const void *)address)->sun_path;
}

/* The kernel's length need not count a NUL. */
static char *format_unix(const struct sockaddr_storage *address, socklen_t length)
{
	size_t start = offsetof(struct sockaddr_un, sun_path);
	size_t n = length > start ? length - start : 0;
	cleanup_with(freep) char *path = xstrndup(address_path(address), n);

	return xasprintf("unix:%s", path);
}

char *address_format(const struct sockaddr_storage *address, socklen_t length)
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;
	char host[INET6_ADDRSTRLEN] = "";

	switch (address->ss_family) {
	case AF_UNIX:
		return format_unix(address, length);
	case AF_INET:
		(void)inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		return xasprintf("%s:%u", host, ntohs(v4->sin_port));
	case AF_INET6:
		(void)inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		return xasprintf("[%s]:%u", host, ntohs(v6->sin6_port));
	default:
		return xasprintf("an address of family %u", address->ss_family);
	}
}

bool address_is_loopback(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;

	if (address->ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	return address->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

bool address_equals(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a;
	const struct sockaddr_in *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a;
	const struct sockaddr_in6 *b6 = (const void *)b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_port == b4->sin_port &&
		       a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	if (a->ss_family == AF_INET6)
		return a6->sin6_port == b6->sin6_port &&
		       IN6_ARE_ADDR_EQUAL(&a6->sin6_addr, &b6->sin6_addr);
	return a->ss_family == AF_UNIX && strcmp(address_path(a), address_path(b)) == 0;
}
