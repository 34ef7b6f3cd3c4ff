/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct diagnostics;
struct error;

/*
 * The controller's configuration, droverd.yml (droverd.yml(5)), checked and with defaults
 * filled in. Paths are absolute; in the file they may be relative to the directory it lies in,
 * so that the whole directory can be moved. Strings are never NULL.
 */
#define SETTINGS_DEFAULT_DIRECTORY "/var/lib/droverd"
#define SETTINGS_DEFAULT_PATH SETTINGS_DEFAULT_DIRECTORY "/droverd.yml"

enum {
	SETTINGS_LIMIT_BYTES = 256 * 1024, /* of the file */
	SETTINGS_LIMIT_LISTENERS = 16,
	SETTINGS_LIMIT_NAMES = 64,
	SETTINGS_LIMIT_DOORS = 64,
	SETTINGS_LIMIT_BODY_BYTES = 1024 * 1024, /* of a request to the API */
};

enum client_certificate { CLIENT_CERTIFICATE_OFF, CLIENT_CERTIFICATE_OPTIONAL };

struct listener_settings {
	char *address; /* as written: "0.0.0.0:8443", "[::]:8443", "unix:droverd.sock" */
	struct sockaddr_storage socket_address;
	socklen_t socket_length;
	bool is_unix;
	mode_t mode; /* of a unix socket's file */
	bool is_tls; /* if not: a unix socket or a loopback address */
	enum client_certificate client_certificate;
};

/* Of requests and connections; what goes beyond costs a client its connection. */
struct limit_settings {
	size_t line_bytes;   /* of a request line */
	size_t header_bytes; /* of all header lines */
	size_t n_headers;
	uint64_t body_bytes;              /* of a request to the API */
	unsigned connections;             /* in each door */
	unsigned connections_per_address; /* in each door; not for unix sockets */
};

/* How long a client may take for each state of a connection. */
struct deadline_settings {
	uint64_t handshake_ms; /* TLS */
	uint64_t header_ms;    /* from its first byte on */
	uint64_t body_ms;
	uint64_t write_ms; /* to take our answer */
	uint64_t idle_ms;  /* between requests */
};

/* As in struct rollout_config (rollout.h). */
struct rollout_settings {
	uint64_t start_timeout_ms;
	uint64_t event_timeout_ms;
	uint64_t gone_timeout_ms;
	uint64_t traffic_timeout_ms;
	uint64_t deployment_timeout_ms;
	uint32_t vanish_percent;
	uint64_t vanish_window_ms;

	/* Where Drover differs from AWS on purpose: the way back. */
	bool rollback_like_aws;    /* see struct rollout_config */
	bool late_joiners;         /* hosts that match a group later receive its revision */
	bool concurrent_on_a_host; /* several deployments at a time on one host */
};

/* How long after it was last heard a host counts as present. */
struct presence_settings {
	uint64_t ours_ms;  /* Drover's agents */
	uint64_t aws_ms;   /* AWS's agents, which back off to 90 s */
	uint64_t grace_ms; /* from the controller's start, while nobody is gone */
};

struct settings {
	char *path;      /* of the file */
	char *directory; /* "directory": the state; default: where the file lies */
	char *database;

	char **names; /* "names": under which agents and people reach the controller */
	size_t n_names;
	char account[13]; /* twelve digits */
	char *region;
	struct listener_settings *listeners; /* at least one */
	size_t n_listeners;
	unsigned n_doors; /* at least one */

	/* PEM files. A certificate's file holds its chain, the leaf first. */
	char *ca_certificate;
	char *ca_key;
	char *server_certificate;
	char *server_key;
	char *signing_certificate; /* P-256: orders for Drover's agents */
	char *signing_key;
	char *aws_signing_certificate; /* RSA: orders for AWS's agents */
	char *aws_signing_key;
	char *admin_key; /* JSON, made by init: the first access key (admin_key.h) */

	struct limit_settings limits;
	struct deadline_settings deadlines;
	uint64_t long_poll_ms; /* how long a poll without a command is kept open */
	struct rollout_settings rollout;
	struct presence_settings presence;
	char *log_level; /* one of the levels of base/log.h; NULL if not given */
};

/*
 * Reads `path` (through links). What was found wrong is in `diagnostics`, all of it, each with
 * its place in the file. Returns 0, or a negative errno with err filled: -ENOENT and the like
 * if it could not be read, -EINVAL if there were errors. *ret is written on success only.
 */
int settings_load(struct settings **ret, const char *path, struct diagnostics *diagnostics,
	struct error *err);

/* The same from n bytes of text; `path` is absolute and need not exist. */
int settings_parse(struct settings **ret, const char *text, size_t n, const char *path,
	struct diagnostics *diagnostics, struct error *err);

void settings_free(struct settings *settings);
void settings_freep(struct settings **settings);

/*
 * On SIGHUP: takes into `settings` what may change while the controller runs: limits,
 * deadlines, long_poll, rollout, presence, log level and paths of certificates and keys. For
 * each other key that differs a warning is added: it counts from the next start on.
 */
void settings_renew(struct settings *settings, const struct settings *fresh,
	struct diagnostics *diagnostics);
