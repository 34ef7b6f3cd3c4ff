/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/*
 * How many connections each address of the network has. Who holds an IPv6 address usually holds
 * the 64 bits behind it as well, so those count as one.
 */
struct address {
	struct address *next; /* in its bucket */
	uint64_t key[2];
	unsigned n;
};

struct addresses {
	struct address **buckets;
	size_t n_buckets; /* a power of two, or 0 */
	size_t n;
	uint64_t secret[2]; /* nobody outside can choose addresses of one bucket */
};

void addresses_init(struct addresses *addresses);
void addresses_done(struct addresses *addresses);

/* Counts one more from there. NULL if it has `limit` already. */
struct address *addresses_take(
	struct addresses *addresses, const struct sockaddr_storage *from, unsigned limit);

/* One fewer; NULL is fine. */
void addresses_release(struct addresses *addresses, struct address *address);
