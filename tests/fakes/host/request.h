/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct buf;
struct endpoint;
struct error;

/* One signed call as AWS's clients send it. Everything is borrowed. */
struct request {
	const char *target;  /* "CodeDeployCommandService_v20141006.PollHostCommand" */
	const char *service; /* the signature's: "codedeploy-commands" */
	const char *region;
	const char *user_agent;
	const char *version; /* X-Amz-Codedeploy-Agent-Version; NULL: not sent, not an agent */
	const char *agent;   /* PROTOCOL_AGENT_HEADER; NULL: not sent */
	const char *access_key;
	const char *secret;
	const char *body;
	size_t n_body;
};

/* Appends the request's bytes. Returns 0 or -EBADMSG. */
int request_write(struct buf *ret, const struct request *request,
	const struct endpoint *endpoint, struct error *err);

/* The agents' look at the server's certificate: GET / on a connection that ends with it. */
void request_write_probe(struct buf *ret, const struct endpoint *endpoint);
