/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/door/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "unit.h"

static struct sockaddr_storage at(const char *text)
{
	struct sockaddr_storage ret = { 0 };
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ret;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&ret;

	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		ret.ss_family = AF_INET6;
	} else {
		ck_assert_int_eq(inet_pton(AF_INET, text, &v4->sin_addr), 1);
		ret.ss_family = AF_INET;
	}
	return ret;
}

static struct address *take_from(struct addresses *addresses, const char *text, unsigned limit)
{
	struct sockaddr_storage from = at(text);

	return addresses_take(addresses, &from, limit);
}

START_TEST(an_address_has_as_many_as_the_limit_and_others_are_not_touched)
{
	struct addresses addresses;
	struct address *first;

	addresses_init(&addresses);
	first = take_from(&addresses, "192.0.2.1", 2);
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_eq(take_from(&addresses, "192.0.2.1", 2), first);
	ck_assert_ptr_null(take_from(&addresses, "192.0.2.1", 2));
	ck_assert_ptr_nonnull(take_from(&addresses, "192.0.2.2", 2));
	addresses_release(&addresses, first);
	ck_assert_ptr_eq(take_from(&addresses, "192.0.2.1", 2), first);
	ck_assert_ptr_null(take_from(&addresses, "192.0.2.1", 2));
	ck_assert_ptr_null(take_from(&addresses, "192.0.2.3", 0));
	ck_assert_uint_eq(addresses.n, 2);
	addresses_release(&addresses, NULL);
	addresses_done(&addresses);
}
END_TEST

START_TEST(an_ipv6_network_counts_as_one_and_a_mapped_address_as_ipv4)
{
	struct addresses addresses;

	addresses_init(&addresses);
	ck_assert_ptr_nonnull(take_from(&addresses, "2001:db8::1", 1));
	ck_assert_ptr_null(take_from(&addresses, "2001:db8::ffff:2", 1));
	ck_assert_ptr_nonnull(take_from(&addresses, "2001:db8:0:1::1", 1));
	ck_assert_ptr_nonnull(take_from(&addresses, "::ffff:192.0.2.1", 1));
	ck_assert_ptr_null(take_from(&addresses, "192.0.2.1", 1));
	ck_assert_ptr_nonnull(take_from(&addresses, "192.0.2.2", 1));
	addresses_done(&addresses);
}
END_TEST

START_TEST(many_come_and_go_and_nothing_is_left)
{
	struct address *taken[5000];
	struct addresses addresses;

	addresses_init(&addresses);
	for (unsigned i = 0; i < 5000; i++) {
		struct sockaddr_storage from = at("10.0.0.0");
		struct sockaddr_in *v4 = (struct sockaddr_in *)&from;

		v4->sin_addr.s_addr = htonl(0x0a000000 + i);
		taken[i] = addresses_take(&addresses, &from, 1);
		ck_assert_ptr_nonnull(taken[i]);
		ck_assert_ptr_null(addresses_take(&addresses, &from, 1));
	}
	ck_assert_uint_eq(addresses.n, 5000);
	for (unsigned i = 0; i < 5000; i++)
		addresses_release(&addresses, taken[(i * 1237) % 5000]);
	ck_assert_uint_eq(addresses.n, 0);
	addresses_done(&addresses);
}
END_TEST

TESTS("address", an_address_has_as_many_as_the_limit_and_others_are_not_touched,
	an_ipv6_network_counts_as_one_and_a_mapped_address_as_ipv4,
	many_come_and_go_and_nothing_is_left)
