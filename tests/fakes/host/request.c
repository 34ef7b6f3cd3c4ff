/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <stdio.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/protocol.h"
#include "base/sigv4.h"
#include "endpoint.h"

/* "20261120T165603Z"; made once a second. */
static const char *amz_date(void)
{
	static char text[17];
	static time_t made_at;
	time_t now = time(NULL);
	struct tm parts;

	if (now != made_at && gmtime_r(&now, &parts)) {
		(void)strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &parts);
		made_at = now;
	}
	return text;
}

int request_write(struct buf *ret, const struct request *request,
	const struct endpoint *endpoint, struct error *err)
{
	uint8_t digest[DIGEST_BYTES];
	char hash[DIGEST_HEX_SIZE];
	cleanup_with(freep) char *authorization = NULL;
	struct sigv4_scope scope = { 0 };
	struct header headers[] = {
		{ "Content-Type", "application/x-amz-json-1.1" },
		{ "Host", endpoint->authority },
		{ "X-Amz-Content-Sha256", hash },
		{ "X-Amz-Date", amz_date() },
		{ "X-Amz-Target", request->target },
		{ "X-Amz-Codedeploy-Agent-Version", request->version },
		{ PROTOCOL_AGENT_HEADER, request->agent },
	};
	struct sigv4_request to_sign = {
		.method = "POST",
		.path = endpoint->path,
		.headers = headers,
		.n_headers = 5 + (request->version ? 1 : 0) + (request->agent ? 1 : 0),
		.payload_hash = hash,
	};
	int r;

	digest_of(request->body, request->n_body, digest);
	digest_format(digest, hash);
	(void)snprintf(scope.region, sizeof(scope.region), "%s", request->region);
	(void)snprintf(scope.service, sizeof(scope.service), "%s", request->service);
	r = sigv4_sign(
		&authorization, &to_sign, request->access_key, request->secret, &scope, err);
	if (r < 0)
		return r;
	buf_printf(ret, "POST %s HTTP/1.1\r\n", endpoint->path);
	for (size_t i = 0; i < to_sign.n_headers; i++)
		buf_printf(ret, "%s: %s\r\n", headers[i].name, headers[i].value);
	buf_printf(ret,
		"Authorization: %s\r\nUser-Agent: %s\r\nAccept: */*\r\nAccept-Encoding: \r\n"
		"Content-Length: %zu\r\n\r\n",
		authorization, request->user_agent, request->n_body);
	buf_append(ret, request->body, request->n_body);
	return 0;
}

void request_write_probe(struct buf *ret, const struct endpoint *endpoint)
{
	buf_printf(ret,
		"GET / HTTP/1.1\r\nHost: %s\r\nUser-Agent: Ruby\r\nAccept: */*\r\n"
		"Connection: close\r\n\r\n",
		endpoint->authority);
}
