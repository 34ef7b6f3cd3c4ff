/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "controller/exchange.h"

struct error;
struct settings;

/* What doors are told, read from the settings and the files they name. Zeroed it is empty. */
struct door_settings {
	struct exchange_settings all; /* with all listeners */
	struct buf certificate;
	struct buf key;
	struct buf ca;
};

/*
 * Reads certificates and key, and checks that they belong together. On failure *ret is as it
 * was, so that doors go on with what they had.
 */
int door_settings_load(
	struct door_settings *ret, const struct settings *settings, struct error *err);

/*
 * Makes another ticket key the one that new tickets are made with; older ones are honoured for
 * two turns more. Nothing of a recorded session can be read with keys that are gone.
 */
int door_settings_rotate(struct door_settings *settings, struct error *err);

/* What the local door is told, or all others are: with its listeners alone, and the key only if
 * one of them is TLS. ret_payload: the encoded message, a secret. */
void door_settings_select(const struct door_settings *settings, const struct settings *from,
	bool is_local, struct exchange_settings *ret, struct buf *ret_payload);

void door_settings_done(struct door_settings *settings);
