/* SPDX-License-Identifier: Apache-2.0 */
#include "setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "connection.h"
#include "credentials.h"
#include "endpoint.h"
#include "reactor.h"
#include "request.h"

#define WORKERS 16
#define ANSWER_WITHIN_US 60000000
#define TAGGED_AT_ONCE 50

/* A connection that works through hosts: key, registration, then the next host. */
struct worker {
	struct connection connection;
	struct setup *setup;
	size_t host;
	size_t n_tagged; /* hosts of the call under way */
	enum { WORKER_KEY, WORKER_REGISTRATION, WORKER_TAGS, WORKER_DONE } step;
};

struct setup {
	const struct setup_options *options;
	struct credentials credentials;
	struct reactor *reactor;
	struct endpoint endpoint;
	SSL_SESSION *session;
	FILE *out;
	struct worker workers[WORKERS];
	size_t next_host, n_registered, next_tagged;
	unsigned n_done;
	int failure;
	struct error *err;
};

static void worker_step(struct worker *worker);

static void setup_fail(struct setup *setup)
{
	setup->failure = -EIO;
	reactor_stop(setup->reactor);
}

static char *host_name(const struct setup *setup, size_t i)
{
	return xasprintf("%s%05zu", setup->options->prefix, setup->options->first + i);
}

static char *host_arn(const struct setup *setup, const char *name)
{
	return xasprintf("arn:aws:iam::%s:user/%s", setup->options->account, name);
}

static void worker_call(struct worker *worker, const char *target, json_t *body)
{
	struct setup *setup = worker->setup;
	cleanup_with(freep) char *text = json_dumps(body, JSON_COMPACT);
	cleanup_with(buf_done) struct buf bytes = { 0 };
	struct request request = {
		.target = target,
		.service = "codedeploy",
		.region = setup->options->region,
		.user_agent = "fake-host-setup",
		.access_key = setup->credentials.access_key,
		.secret = setup->credentials.secret,
		.body = text,
		.n_body = strlen(text),
	};

	json_decref(body);
	if (request_write(&bytes, &request, &setup->endpoint, setup->err) < 0)
		setup_fail(setup);
	else
		connection_send(&worker->connection, &bytes, ANSWER_WITHIN_US);
}

static void make_key(struct worker *worker)
{
	cleanup_with(freep) char *name = host_name(worker->setup, worker->host);
	cleanup_with(freep) char *arn = host_arn(worker->setup, name);

	worker->step = WORKER_KEY;
	worker_call(worker, "Drover_20261120.CreateKey",
		json_pack("{s:s, s:s, s:s}", "name", name, "role", "host", "userArn", arn));
}

static void register_host(struct worker *worker)
{
	cleanup_with(freep) char *name = host_name(worker->setup, worker->host);
	cleanup_with(freep) char *arn = host_arn(worker->setup, name);

	worker->step = WORKER_REGISTRATION;
	worker_call(worker, "CodeDeploy_20141006.RegisterOnPremisesInstance",
		json_pack("{s:s, s:s}", "instanceName", name, "iamUserArn", arn));
}

static json_t *tags_of(const struct setup_options *options)
{
	json_t *tags = json_array();

	for (size_t i = 0; i < options->n_tags; i++) {
		cleanup_with(freep) char *key = xstrdup(options->tags[i]);
		char *value = strchr(key, '=');

		if (value)
			*value++ = '\0';
		json_array_append_new(
			tags, json_pack("{s:s, s:s}", "Key", key, "Value", value ? value : ""));
	}
	return tags;
}

static void tag_hosts(struct worker *worker)
{
	struct setup *setup = worker->setup;
	json_t *names = json_array();
	size_t n = 0;

	worker->step = WORKER_TAGS;
	for (; n < TAGGED_AT_ONCE && setup->next_tagged < setup->options->count; n++) {
		cleanup_with(freep) char *name = host_name(setup, setup->next_tagged++);

		json_array_append_new(names, json_string(name));
	}
	worker_call(worker, "CodeDeploy_20141006.AddTagsToOnPremisesInstances",
		json_pack(
			"{s:o, s:o}", "tags", tags_of(setup->options), "instanceNames", names));
}

/* Decides what a worker without work does. Those that find nothing to do wait for the last
 * registration: only then can hosts be tagged. */
static void worker_next(struct worker *worker)
{
	struct setup *setup = worker->setup;
	const struct setup_options *options = setup->options;

	if (setup->next_host < options->count) {
		worker->host = setup->next_host++;
		make_key(worker);
	} else if (setup->n_registered == options->count && options->n_tags > 0 &&
		   setup->next_tagged < options->count) {
		tag_hosts(worker);
	} else {
		worker->step = WORKER_DONE;
		if (++setup->n_done == WORKERS)
			reactor_stop(setup->reactor);
	}
}

static int write_host(struct worker *worker, const json_t *answer)
{
	struct setup *setup = worker->setup;
	cleanup_with(freep) char *name = host_name(setup, worker->host);
	cleanup_with(freep) char *arn = host_arn(setup, name);
	const char *access_key = NULL, *secret = NULL;
	int r = json_get_string(answer, "accessKeyId", &access_key, setup->err);

	if (r == 0)
		r = json_get_string(answer, "secretAccessKey", &secret, setup->err);
	if (r < 0)
		return error_wrap(setup->err, "CreateKey's answer");
	(void)fprintf(setup->out,
		"{\"name\": \"%s\", \"arn\": \"%s\", \"accessKeyId\": \"%s\", "
		"\"secretAccessKey\": \"%s\"}\n",
		name, arn, access_key, secret);
	return 0;
}

static void worker_step(struct worker *worker)
{
	struct setup *setup = worker->setup;

	switch (worker->step) {
	case WORKER_KEY:
		register_host(worker);
		return;
	case WORKER_REGISTRATION:
		if (++setup->n_registered == setup->options->count) {
			/* Wake those that had nothing to do. */
			for (size_t i = 0; i < WORKERS && setup->n_done > 0; i++)
				if (setup->workers[i].step == WORKER_DONE) {
					setup->n_done--;
					worker_next(&setup->workers[i]);
				}
		}
		worker_next(worker);
		return;
	case WORKER_TAGS:
	case WORKER_DONE:
		worker_next(worker);
		return;
	}
}

static void on_answer(struct connection *connection, const struct answer *answer)
{
	struct worker *worker = container_of(connection, struct worker, connection);
	struct setup *setup = worker->setup;
	cleanup_with(json_decrefp) json_t *body = NULL;

	if (answer->status != 200) {
		error_set(setup->err, -EPERM, "%s refused with %u: %.*s",
			worker->step == WORKER_KEY    ? "CreateKey was"
			: worker->step == WORKER_TAGS ? "AddTags was"
						      : "Register was",
			answer->status, (int)answer->n_body, answer->body);
		setup_fail(setup);
		return;
	}
	if (worker->step == WORKER_KEY &&
		(json_parse_object(&body, answer->body, answer->n_body, setup->err) < 0 ||
			write_host(worker, body) < 0)) {
		setup_fail(setup);
		return;
	}
	worker_step(worker);
}

static void on_failure(struct connection *connection, const char *why, bool was_silent)
{
	struct worker *worker = container_of(connection, struct worker, connection);

	error_set(worker->setup->err, -EIO, "no answer from the controller: %s", why);
	setup_fail(worker->setup);
}

static void on_closed(struct connection *connection)
{
	struct worker *worker = container_of(connection, struct worker, connection);
	struct setup *setup = worker->setup;

	connection_done(connection); /* made anew by the next request */
	connection_init(connection, &setup->endpoint, connection->handler,
		(struct in_addr){ 0 }, &setup->session);
}

static const struct connection_handler handler = {
	.on_answer = on_answer,
	.on_failure = on_failure,
	.on_closed = on_closed,
};

static int setup_init(struct setup *setup, struct error *err)
{
	const struct setup_options *options = setup->options;
	int fd;
	int r = credentials_read(
		&setup->credentials, options->credentials_path, options->profile, err);

	if (r == 0)
		r = reactor_new(&setup->reactor, err);
	if (r == 0)
		r = endpoint_init(
			&setup->endpoint, setup->reactor, options->url, options->ca_path, err);
	if (r < 0)
		return r;
	fd = open(options->out_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	setup->out = fd < 0 ? NULL : fdopen(fd, "a");
	if (!setup->out)
		return error_set(err, -errno, "cannot write %s: %m", options->out_path);
	return 0;
}

int setup_run(const struct setup_options *options, struct error *err)
{
	struct setup setup = { .options = options, .err = err };
	int r = setup_init(&setup, err);

	for (size_t i = 0; r == 0 && i < WORKERS; i++) {
		struct worker *worker = &setup.workers[i];

		worker->setup = &setup;
		connection_init(&worker->connection, &setup.endpoint, &handler,
			(struct in_addr){ 0 }, &setup.session);
		worker_next(worker);
	}
	if (r == 0)
		r = reactor_run(setup.reactor, err);
	if (r == 0)
		r = setup.failure;
	for (size_t i = 0; i < WORKERS; i++)
		connection_done(&setup.workers[i].connection);
	SSL_SESSION_free(setup.session);
	if (setup.out && fclose(setup.out) != 0 && r == 0)
		r = error_set(err, -errno, "cannot write %s: %m", options->out_path);
	endpoint_done(&setup.endpoint);
	reactor_free(setup.reactor);
	return r;
}
