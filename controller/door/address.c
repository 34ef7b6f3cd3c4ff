/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/door/address.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"

enum { FIRST_BUCKETS = 64 };

void addresses_init(struct addresses *addresses)
{
	*addresses = (struct addresses){ 0 };
	/* 16 bytes cannot be cut short; before the pool is ready, at boot, it waits. */
	if (getrandom(addresses->secret, sizeof(addresses->secret), 0) < 0)
		abort();
}

void addresses_done(struct addresses *addresses)
{
	for (size_t i = 0; i < addresses->n_buckets; i++)
		for (struct address *address = addresses->buckets[i], *next; address;
			address = next) {
			next = address->next;
			free(address);
		}
	free(addresses->buckets);
	*addresses = (struct addresses){ 0 };
}

/* An IPv4 address as IPv6 maps it, whole; of an IPv6 address the first 64 bits. */
static void make_key(const struct sockaddr_storage *from, uint64_t ret[static 2])
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
	uint32_t address;

	ret[0] = 0;
	ret[1] = 0;
	if (from->ss_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		memcpy(&ret[0], v6->sin6_addr.s6_addr, 8);
		return;
	}
	if (from->ss_family == AF_INET6)
		memcpy(&address, v6->sin6_addr.s6_addr + 12, 4);
	else
		address = v4->sin_addr.s_addr;
	ret[1] = UINT64_C(0xffff) << 32 | address;
}

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

static size_t bucket_of(const struct addresses *addresses, const uint64_t key[static 2])
{
	uint64_t hash = fold(key[0] ^ addresses->secret[0], UINT64_C(0x9e3779b97f4a7c15));

	hash = fold(hash ^ key[1] ^ addresses->secret[1], addresses->secret[0] | 1);
	return hash & (addresses->n_buckets - 1);
}

static void grow(struct addresses *addresses)
{
	struct addresses old = *addresses;

	addresses->n_buckets = old.n_buckets ? old.n_buckets * 2 : FIRST_BUCKETS;
	addresses->buckets = xcalloc(addresses->n_buckets, sizeof(*addresses->buckets));
	for (size_t i = 0; i < old.n_buckets; i++)
		for (struct address *address = old.buckets[i], *next; address; address = next) {
			struct address **bucket =
				&addresses->buckets[bucket_of(addresses, address->key)];

			next = address->next;
			address->next = *bucket;
			*bucket = address;
		}
	free(old.buckets);
}

static struct address *add(struct addresses *addresses, const uint64_t key[static 2])
{
	struct address *address = xcalloc(1, sizeof(*address));
	struct address **bucket;

	if (addresses->n >= addresses->n_buckets)
		grow(addresses);
	bucket = &addresses->buckets[bucket_of(addresses, key)];
	memcpy(address->key, key, sizeof(address->key));
	address->next = *bucket;
	*bucket = address;
	addresses->n++;
	return address;
}

static struct address *find(const struct addresses *addresses, const uint64_t key[static 2])
{
	struct address *address = NULL;

	if (addresses->n_buckets > 0)
		address = addresses->buckets[bucket_of(addresses, key)];
	while (address && (address->key[0] != key[0] || address->key[1] != key[1]))
		address = address->next;
	return address;
}

struct address *addresses_take(
	struct addresses *addresses, const struct sockaddr_storage *from, unsigned limit)
{
	struct address *address;
	uint64_t key[2];

	make_key(from, key);
	address = find(addresses, key);
	if (address ? address->n >= limit : limit == 0)
		return NULL;
	if (!address)
		address = add(addresses, key);
	address->n++;
	return address;
}

void addresses_release(struct addresses *addresses, struct address *address)
{
	struct address **at;

	if (!address || --address->n > 0)
		return;
	at = &addresses->buckets[bucket_of(addresses, address->key)];
	while (*at != address)
		at = &(*at)->next;
	*at = address->next;
	addresses->n--;
	free(address);
}
