/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/description.h"
#include "base/error.h"
#include "controller/address.h"
#include "controller/settings_internal.h"

/* What a listener's mapping says, NULL where it says nothing. */
struct listener_nodes {
	const struct node *address;
	const struct node *protocol;
	const struct node *client_certificate;
	const struct node *mode;
};

static const struct {
	const char *name;
	size_t offset;
} members[] = {
	{ "address", offsetof(struct listener_nodes, address) },
	{ "protocol", offsetof(struct listener_nodes, protocol) },
	{ "client_certificate", offsetof(struct listener_nodes, client_certificate) },
	{ "mode", offsetof(struct listener_nodes, mode) },
};

static void listener_done(struct listener_settings *listener)
{
	free(listener->address);
}

void settings_drop_listeners(struct settings *settings)
{
	for (size_t i = 0; i < settings->n_listeners; i++)
		listener_done(&settings->listeners[i]);
	free(settings->listeners);
	settings->listeners = NULL;
	settings->n_listeners = 0;
}

static void find_member(struct listener_nodes *nodes, const struct node *key,
	const struct node *value, struct report *report)
{
	const char *names[ARRAY_SIZE(members)];

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		names[i] = members[i].name;
		if (key->text && strcmp(key->text, names[i]) == 0) {
			*(const struct node **)(void *)((char *)nodes + members[i].offset) =
				node_is_absent(value) ? NULL : value;
			return;
		}
	}
	report_error(report, key->mark, "E-KEY-UNKNOWN", "a listener has no key '%s'%s",
		key->text ? quote(key->text) : "",
		report_hint(report, key->text ? key->text : "", names, ARRAY_SIZE(members))
			.text);
}

static void read_address(struct listener_settings *listener, const struct node *value,
	const struct settings *settings, struct report *report)
{
	const char *text = setting_text(value, "address", report);
	struct error err = ERROR_NONE;

	if (!text)
		return;
	listener->address = xstrdup(text);
	if (address_parse(&listener->socket_address, &listener->socket_length, text,
		    settings->directory, &err) < 0) {
		report_error(report, value->mark, "E-VALUE", "listen: %s", err.text);
		return;
	}
	listener->is_unix = listener->socket_address.ss_family == AF_UNIX;
	for (size_t i = 0; i < settings->n_listeners; i++)
		if (address_equals(
			    &settings->listeners[i].socket_address, &listener->socket_address))
			report_error(report, value->mark, "E-VALUE",
				"listen: %s is there twice", quote(text));
}

static void read_protocol(
	struct listener_settings *listener, const struct node *value, struct report *report)
{
	const char *text = value ? setting_text(value, "protocol", report) : NULL;

	listener->is_tls = !listener->is_unix;
	if (!text)
		return;
	if (strcmp(text, "tls") != 0 && strcmp(text, "plain") != 0) {
		report_error(report, value->mark, "E-VALUE",
			"protocol '%s' is neither tls nor plain", quote(text));
		return;
	}
	listener->is_tls = strcmp(text, "tls") == 0;
	if (!listener->is_tls && !listener->is_unix && listener->address &&
		!address_is_loopback(&listener->socket_address))
		report_error(report, value->mark, "E-VALUE",
			"protocol plain at %s would send secrets over the network; it is for "
			"127.0.0.1, [::1] and unix: only",
			quote(listener->address));
}

static void read_client_certificate(
	struct listener_settings *listener, const struct node *value, struct report *report)
{
	const char *text = value ? setting_text(value, "client_certificate", report) : NULL;

	listener->client_certificate = listener->is_tls ? CLIENT_CERTIFICATE_OPTIONAL
							: CLIENT_CERTIFICATE_OFF;
	if (!text)
		return;
	if (strcmp(text, "off") == 0 || strcmp(text, "no") == 0 || strcmp(text, "false") == 0)
		listener->client_certificate = CLIENT_CERTIFICATE_OFF;
	else if (strcmp(text, "optional") != 0)
		report_error(report, value->mark, "E-VALUE",
			"client_certificate '%s' is neither off nor optional", quote(text));
	else if (!listener->is_tls)
		report_error(report, value->mark, "E-VALUE",
			"client_certificate optional needs protocol tls");
}

static void read_mode(
	struct listener_settings *listener, const struct node *value, struct report *report)
{
	const char *text = value ? setting_text(value, "mode", report) : NULL;

	listener->mode = 0600;
	if (!text)
		return;
	if (!listener->is_unix)
		report_error(report, value->mark, "E-VALUE", "mode is for unix: sockets only");
	else if (strlen(text) < 3 || strlen(text) > 4 || text[strspn(text, "01234567")] ||
		 (strlen(text) == 4 && text[0] != '0'))
		report_error(report, value->mark, "E-VALUE",
			"mode '%s' is not three octal digits, as in 0660", quote(text));
	else
		listener->mode = (mode_t)strtoul(text, NULL, 8);
}

static void read_listener(
	struct settings *settings, const struct node *value, struct report *report)
{
	struct listener_settings *listener = &settings->listeners[settings->n_listeners];
	struct listener_nodes nodes = { 0 };

	if (value->kind == NODE_LIST || node_is_absent(value)) {
		report_error(report, value->mark, "E-TYPE",
			"a listener is an address or a mapping with one, found %s",
			describe(value).text);
		return;
	}
	if (value->kind == NODE_SCALAR)
		nodes.address = value;
	else
		for (size_t i = 0; i < value->n; i += 2)
			find_member(&nodes, value->items[i], value->items[i + 1], report);
	if (!nodes.address) {
		report_error(report, value->mark, "E-VALUE", "a listener needs an address");
		return;
	}
	read_address(listener, nodes.address, settings, report);
	read_protocol(listener, nodes.protocol, report);
	read_client_certificate(listener, nodes.client_certificate, report);
	read_mode(listener, nodes.mode, report);
	settings->n_listeners++;
}

void settings_read_listeners(
	struct settings *settings, const struct node *value, struct report *report)
{
	settings_drop_listeners(settings);
	if (value->kind != NODE_LIST || value->n == 0) {
		report_error(report, value->mark, "E-TYPE",
			"listen takes a list of addresses, found %s",
			value->kind == NODE_LIST ? "an empty one" : describe(value).text);
		return;
	}
	if (value->n > SETTINGS_LIMIT_LISTENERS) {
		report_error(report, value->mark, "E-LIMIT", "more than %d listeners",
			SETTINGS_LIMIT_LISTENERS);
		return;
	}
	settings->listeners = xcalloc(value->n, sizeof(*settings->listeners));
	for (size_t i = 0; i < value->n; i++)
		read_listener(settings, value->items[i], report);
}
