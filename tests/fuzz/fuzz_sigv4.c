/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as an Authorization header and, behind a NUL, as path and query: what is accepted
 * is bounded and of the documented characters, and its canonical form stays on its lines.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/sigv4.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct header headers[] = {
	{ "Host", "h" },
	{ "X-Amz-Date", "20261120T165603Z" },
};

static void use_authorization(const char *text, const struct sigv4_request *request)
{
	static const uint8_t key[DIGEST_BYTES];
	struct sigv4_authorization parsed;
	struct error err = ERROR_NONE;
	enum sigv4_outcome outcome;

	if (sigv4_parse(&parsed, text, &err) < 0) {
		assert(err.text[0]);
		return;
	}
	assert(strlen(text) <= SIGV4_HEADER_MAX);
	assert(parsed.access_key[0] && !strpbrk(parsed.access_key, "/, \n"));
	assert(strlen(parsed.scope.date) == 8);
	assert(parsed.scope.region[0] && parsed.scope.service[0]);
	assert(parsed.signed_headers[0] && !strpbrk(parsed.signed_headers, ", \n"));
	assert(strlen(parsed.signature) == DIGEST_HEX_SIZE - 1);
	outcome = sigv4_verify(
		request, &parsed, key, parsed.scope.service, NULL, 1795193763000, &err);
	assert((outcome == SIGV4_VALID) == (err.code == 0));
}

static void use_canonical(const struct sigv4_request *request, const char *service)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct error err = ERROR_NONE;
	size_t lines = 0;

	if (sigv4_canonical_request(&text, request, "host", service, &err) < 0) {
		assert(err.text[0]);
		return;
	}
	assert(strlen(text.data) == text.len);
	for (size_t i = 0; i < text.len; i++) {
		lines += text.data[i] == '\n';
		assert(text.data[i] == '\n' || (text.data[i] > ' ' && text.data[i] < 127));
	}
	assert(lines == 6); /* method, path, query, one header, the empty line, names */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sigv4_request request = { "GET", "/", "", headers, ARRAY_SIZE(headers), "x" };
	cleanup_with(buf_done) struct buf text = { 0 };
	const char *path;
	char *query;

	buf_append(&text, data, n);
	buf_append(&text, "\0", 1);
	path = text.data + strlen(text.data) + 1;
	if (path < text.data + text.len) {
		request.path = path;
		query = strchr(path, '?');
		if (query) {
			*query = '\0';
			request.query = query + 1;
		}
	}
	use_authorization(text.data, &request);
	use_canonical(&request, "s3");
	use_canonical(&request, "codedeploy");
	return 0;
}
