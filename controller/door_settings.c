/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/door_settings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "controller/core.h"
#include "controller/credential.h"
#include "controller/settings.h"

enum {
	LIMIT_PEM_BYTES = 64 * 1024,
	/* Beyond the longest that a poll is parked. */
	ANSWER_SLACK_MS = 20 * 1000,
	/* Doors exit before the core does, that all answers pass. */
	DRAIN_MS = SERVICE_STOP_MS - 500,
	MAX_TICKET_KEYS = 3,
};
_Static_assert((int)MAX_TICKET_KEYS <= (int)EXCHANGE_MAX_TICKET_KEYS, "fit");

static bool has_tls(const struct settings *settings)
{
	for (size_t i = 0; i < settings->n_listeners; i++)
		if (settings->listeners[i].is_tls)
			return true;
	return false;
}

static int check_pair(const struct settings *settings, struct error *err)
{
	struct credential credential = { 0 };
	int r = credential_load(&credential, CREDENTIAL_ANY, settings->server_key,
		settings->server_certificate, err);

	credential_done(&credential);
	return r;
}

static int read_pem(
	const struct settings *settings, struct door_settings *ret, struct error *err)
{
	int r = check_pair(settings, err);

	if (r == 0)
		r = file_read(AT_FDCWD, settings->server_certificate, LIMIT_PEM_BYTES,
			&ret->certificate, err);
	if (r == 0)
		r = file_read(AT_FDCWD, settings->server_key, LIMIT_PEM_BYTES, &ret->key, err);
	if (r == 0)
		r = file_read(
			AT_FDCWD, settings->ca_certificate, LIMIT_PEM_BYTES, &ret->ca, err);
	return r;
}

/* The same in all doors: a client resumes at any of them. */
int door_settings_rotate(struct door_settings *settings, struct error *err)
{
	struct exchange_settings *all = &settings->all;
	uint8_t fresh[EXCHANGE_TICKET_KEY_BYTES];

	if (getrandom(fresh, sizeof(fresh), 0) != (ssize_t)sizeof(fresh))
		return error_set(err, -errno, "cannot make a ticket key: %m");
	memmove(all->ticket_keys[1], all->ticket_keys[0],
		(MAX_TICKET_KEYS - 1) * sizeof(all->ticket_keys[0]));
	memcpy(all->ticket_keys[0], fresh, sizeof(fresh));
	explicit_bzero(fresh, sizeof(fresh));
	if (all->n_ticket_keys < MAX_TICKET_KEYS)
		all->n_ticket_keys++;
	return 0;
}

int door_settings_load(
	struct door_settings *ret, const struct settings *settings, struct error *err)
{
	cleanup_with(door_settings_done) struct door_settings fresh = { 0 };
	struct exchange_settings *all = &fresh.all;
	int r = 0;

	all->limits = settings->limits;
	all->deadlines = settings->deadlines;
	all->answer_ms = settings->long_poll_ms + ANSWER_SLACK_MS;
	all->drain_ms = DRAIN_MS;
	if (has_tls(settings))
		r = read_pem(settings, &fresh, err);
	if (r < 0)
		return r;
	memcpy(all->ticket_keys, ret->all.ticket_keys, sizeof(all->ticket_keys));
	all->n_ticket_keys = ret->all.n_ticket_keys;
	if (all->n_ticket_keys == 0) {
		r = door_settings_rotate(&fresh, err);
		if (r < 0)
			return r;
	}
	door_settings_done(ret);
	*ret = fresh;
	fresh = (struct door_settings){ 0 };
	return 0;
}

static const char *text_of(const struct buf *buf, bool is_wanted)
{
	return is_wanted && buf->data ? buf->data : "";
}

void door_settings_select(const struct door_settings *settings, const struct settings *from,
	bool is_local, struct exchange_settings *ret, struct buf *ret_payload)
{
	bool is_tls = false;

	*ret = settings->all;
	ret->n_listeners = 0;
	for (size_t i = 0; i < from->n_listeners; i++) {
		const struct listener_settings *listener = &from->listeners[i];

		if (listener->is_unix != is_local)
			continue;
		ret->listeners[ret->n_listeners++] = (struct exchange_listener){
			listener->is_tls, listener->client_certificate
		};
		is_tls |= listener->is_tls;
	}
	ret->certificate_pem = text_of(&settings->certificate, is_tls);
	ret->key_pem = text_of(&settings->key, is_tls);
	ret->ca_pem = text_of(&settings->ca, is_tls);
	exchange_encode_settings(ret_payload, ret);
}

void door_settings_done(struct door_settings *settings)
{
	buf_done(&settings->certificate);
	credential_wipe(&settings->key);
	buf_done(&settings->ca);
	explicit_bzero(&settings->all, sizeof(settings->all));
}
