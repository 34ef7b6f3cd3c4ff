/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/identifier.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static const char UPPER_AND_DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
static const char BASE32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char LETTERS_AND_DIGITS[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Up to 256 bytes the kernel gives whole and without interruption, once it is seeded. */
static void fill(uint8_t *ret, size_t n)
{
	ssize_t got = getrandom(ret, n, 0);

	assert(got == (ssize_t)n);
}

/* n characters of the alphabet, each as likely as any other, and a NUL. */
static void draw(char *ret, size_t n, const char *alphabet)
{
	size_t size = strlen(alphabet);
	unsigned fair = 256 - 256 % (unsigned)size;
	uint8_t bytes[64];
	size_t used = sizeof(bytes);

	for (size_t i = 0; i < n; used++) {
		if (used >= sizeof(bytes)) {
			fill(bytes, sizeof(bytes));
			used = 0;
		}
		if (bytes[used] < fair)
			ret[i++] = alphabet[bytes[used] % size];
	}
	ret[n] = '\0';
}

void identifier_make_uuid(char ret[static UUID_LENGTH + 1])
{
	uint8_t b[16];

	fill(b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4, of random numbers */
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	(void)snprintf(ret, UUID_LENGTH + 1,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
		b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
		b[13], b[14], b[15]);
}

void identifier_make_deployment(char ret[static DEPLOYMENT_ID_LENGTH + 1])
{
	ret[0] = 'd';
	ret[1] = '-';
	draw(ret + 2, DEPLOYMENT_ID_LENGTH - 2, UPPER_AND_DIGITS);
}

bool identifier_is_deployment(const char *text)
{
	return strlen(text) == DEPLOYMENT_ID_LENGTH && strncmp(text, "d-", 2) == 0 &&
	       strspn(text + 2, UPPER_AND_DIGITS) == DEPLOYMENT_ID_LENGTH - 2;
}

void identifier_make_access_key(char ret[static ACCESS_KEY_LENGTH + 1])
{
	static const char prefix[] = "AKIA"; /* some clients look for it */

	memcpy(ret, prefix, strlen(prefix));
	draw(ret + strlen(prefix), ACCESS_KEY_LENGTH - strlen(prefix), BASE32);
}

void identifier_make_secret(char ret[static SECRET_LENGTH + 1])
{
	draw(ret, SECRET_LENGTH, BASE64);
}

void identifier_make_host_suffix(char ret[static HOST_SUFFIX_LENGTH + 1])
{
	draw(ret, HOST_SUFFIX_LENGTH, LETTERS_AND_DIGITS);
}
