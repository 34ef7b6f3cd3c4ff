/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/error.h"
#include "base/file.h"
#include "unit.h"

static struct settings *settings;
static struct diagnostics found;
static struct error err;

static int parse(const char *text)
{
	settings_free(settings);
	settings = NULL;
	diagnostics_done(&found);
	found = (struct diagnostics){ 0 };
	return settings_parse(
		&settings, text, strlen(text), "/srv/ctl/droverd.yml", &found, &err);
}

/* Everything that was found, a line each. */
static void expect_found(const char *text, const char *expected)
{
	cleanup_with(buf_done) struct buf lines = { 0 };

	ck_assert_int_eq(parse(text), -EINVAL);
	ck_assert_ptr_null(settings);
	for (size_t i = 0; i < found.n; i++) {
		cleanup_with(freep) char *line = diagnostic_format(&found.items[i]);

		buf_printf(
			&lines, "%s%s", i ? "\n" : "", line + strlen("/srv/ctl/droverd.yml:"));
	}
	ck_assert_str_eq(lines.data ? lines.data : "", expected);
}

START_TEST(an_empty_file_gives_the_defaults)
{
	ck_assert_int_eq(parse("# nothing\n"), 0);
	ck_assert_uint_eq(found.n, 0);
	ck_assert_str_eq(settings->directory, "/srv/ctl");
	ck_assert_str_eq(settings->database, "/srv/ctl/droverd.db");
	ck_assert_str_eq(settings->server_key, "/srv/ctl/keys/server.key");
	ck_assert_str_eq(settings->names[0], "localhost");
	ck_assert_str_eq(settings->account, "000000000000");
	ck_assert_str_eq(settings->region, "local");
	ck_assert_uint_eq(settings->n_listeners, 1);
	ck_assert_str_eq(settings->listeners[0].address, "127.0.0.1:8443");
	ck_assert(settings->listeners[0].is_tls);
	ck_assert_uint_ge(settings->n_doors, 1);
	ck_assert_uint_eq(settings->limits.body_bytes, 1024 * 1024);
	ck_assert_uint_eq(settings->long_poll_ms, 60000);
	ck_assert_uint_eq(settings->rollout.event_timeout_ms, 61 * 60000);
	ck_assert_uint_eq(settings->presence.aws_ms, 180000);
	ck_assert_ptr_null(settings->log_level);
}
END_TEST

START_TEST(every_kind_of_value_is_read)
{
	ck_assert_int_eq(parse("names: [ctl.example.net, 192.0.2.7]\n"
			       "account: 000000000042\n"
			       "region: eu-west-1\n"
			       "directory: state\n"
			       "server_key: /etc/ssl/ctl.key\n"
			       "doors: 4\n"
			       "limits: { header_bytes: 32KiB, headers: 50 }\n"
			       "deadlines:\n  idle: 10m\n"
			       "long_poll: 45s\n"
			       "rollout: { vanish_percent: 0, late_joiners: no, "
			       "rollback_like_aws: true }\n"
			       "log_level: debug\n"),
		0);
	ck_assert_uint_eq(settings->n_names, 2);
	ck_assert_str_eq(settings->names[1], "192.0.2.7");
	ck_assert_str_eq(settings->account, "000000000042");
	ck_assert_str_eq(settings->region, "eu-west-1");
	ck_assert_str_eq(settings->directory, "/srv/ctl/state");
	ck_assert_str_eq(settings->ca_key, "/srv/ctl/state/keys/ca.key");
	ck_assert_str_eq(settings->server_key, "/etc/ssl/ctl.key");
	ck_assert_uint_eq(settings->n_doors, 4);
	ck_assert_uint_eq(settings->limits.header_bytes, 32768);
	ck_assert_uint_eq(settings->limits.n_headers, 50);
	ck_assert_uint_eq(settings->deadlines.idle_ms, 600000);
	ck_assert_uint_eq(settings->deadlines.body_ms, 30000);
	ck_assert_uint_eq(settings->long_poll_ms, 45000);
	ck_assert_uint_eq(settings->rollout.vanish_percent, 0);
	ck_assert(!settings->rollout.late_joiners);
	ck_assert(settings->rollout.rollback_like_aws);
	ck_assert(!settings->rollout.concurrent_on_a_host);
	ck_assert_str_eq(settings->log_level, "debug");
}
END_TEST

START_TEST(listeners_are_tls_unless_they_say_otherwise)
{
	ck_assert_int_eq(parse("listen:\n"
			       "  - 0.0.0.0:8443\n"
			       "  - address: '[::1]:8080'\n    protocol: plain\n"
			       "  - address: '[::]:9443'\n    client_certificate: off\n"
			       "  - { address: 'unix:droverd.sock', mode: 0660 }\n"),
		0);
	ck_assert_uint_eq(settings->n_listeners, 4);
	ck_assert(settings->listeners[0].is_tls);
	ck_assert_int_eq(
		settings->listeners[0].client_certificate, CLIENT_CERTIFICATE_OPTIONAL);
	ck_assert(!settings->listeners[1].is_tls);
	ck_assert_int_eq(settings->listeners[1].client_certificate, CLIENT_CERTIFICATE_OFF);
	ck_assert(settings->listeners[2].is_tls);
	ck_assert_int_eq(settings->listeners[2].client_certificate, CLIENT_CERTIFICATE_OFF);
	ck_assert(settings->listeners[3].is_unix);
	ck_assert(!settings->listeners[3].is_tls);
	ck_assert_uint_eq(settings->listeners[3].mode, 0660);
}
END_TEST

START_TEST(all_mistakes_are_reported_each_with_its_place)
{
	expect_found("nmaes: [a]\n"
		     "region: EU\n"
		     "limits:\n"
		     "  header_byte: 5\n"
		     "  headers: many\n"
		     "deadlines: 30s\n"
		     "long_poll: 60\n"
		     "log_level: loud\n",
		"1:1: error: unknown key 'nmaes', did you mean 'names'?\n"
		"2:9: error: region 'EU' is not up to 32 small letters, digits and hyphens\n"
		"4:3: error: unknown key 'header_byte' in limits, did you mean "
		"'header_bytes'?\n"
		"5:12: error: limits.headers: 'many' is not a number from 8 to 128\n"
		"6:12: error: deadlines takes a mapping of keys and values, found the text "
		"'30s'\n"
		"7:12: error: long_poll: '60' is not a time from 0s to 5m (with its unit: ms, "
		"s, m, h or d)\n"
		"8:12: error: log_level 'loud' is none of error, warning, notice, info, debug");
	ck_assert_str_eq(err.text, "/srv/ctl/droverd.yml has 7 errors");
}
END_TEST

START_TEST(a_plain_listener_stays_off_the_network)
{
	expect_found("listen:\n  - { address: '0.0.0.0:80', protocol: plain }\n",
		"2:40: error: protocol plain at 0.0.0.0:80 would send secrets over the "
		"network; "
		"it is for 127.0.0.1, [::1] and unix: only");
}
END_TEST

START_TEST(listeners_that_cannot_be_are_refused)
{
	expect_found("listen: []\n", "1:9: error: listen takes a list of addresses, found an "
				     "empty one");
	expect_found("listen: [ctl.example.net:8443]\n",
		"1:10: error: listen: 'ctl.example.net' is no address; write it as "
		"192.0.2.1:8443, 0.0.0.0:8443 for all, [2001:db8::1]:8443 or unix:PATH (names "
		"are not looked up)");
	expect_found("listen: [127.0.0.1]\n",
		"1:10: error: listen: '127.0.0.1' has no port; write it as 127.0.0.1:8443");
	expect_found("listen: ['8443']\n",
		"1:10: error: listen: '8443' has no address; write it as 0.0.0.0:8443 for all, "
		"or 127.0.0.1:8443 for this machine alone");
	expect_found("listen: ['127.0.0.1:0']\n",
		"1:10: error: listen: 127.0.0.1:0: no port from 1 to 65535");
	expect_found("listen: ['127.0.0.1:1', '127.0.0.1:1']\n",
		"1:25: error: listen: 127.0.0.1:1 is there twice");
	expect_found("listen: [{ adress: '127.0.0.1:1' }]\n",
		"1:10: error: a listener needs an address\n"
		"1:12: error: a listener has no key 'adress', did you mean 'address'?");
	expect_found("listen: [{ address: 'unix:a', client_certificate: optional }]\n",
		"1:51: error: client_certificate optional needs protocol tls");
	expect_found("listen: [{ address: 'unix:a', mode: 7777 }]\n",
		"1:37: error: mode '7777' is not three octal digits, as in 0660");
}
END_TEST

START_TEST(a_path_of_a_socket_has_its_bounds)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "listen: ['unix:%0*d']\n", 98, 0);
	ck_assert_int_eq(parse(text), 0);
	(void)snprintf(text, sizeof(text), "listen: ['unix:%0*d']\n", 99, 0);
	ck_assert_int_eq(parse(text), -EINVAL);
}
END_TEST

START_TEST(values_are_bounded_and_of_their_kind)
{
	expect_found("account: 42\n", "1:10: error: account '42' is not twelve digits");
	expect_found("doors: 65\n", "1:8: error: doors: '65' is not a number from 1 to 64");
	expect_found("doors: 0x10\n", "1:8: error: doors: '0x10' is not a number from 1 to 64");
	expect_found("doors: 99999999999999999999\n",
		"1:8: error: doors: '99999999999999999999' is not a number from 1 to 64");
	expect_found("names: [a_b]\n",
		"1:9: error: names: 'a_b' is neither a DNS name nor an address");
	expect_found("ca_key: [a]\n", "1:9: error: ca_key takes one plain value, found a list");
	expect_found(
		"ca_key: ../x\n", "1:9: error: ca_key: '../x' is not a path without \"..\"");
	expect_found("limits: { body_bytes: 2MiB }\n",
		"1:23: error: limits.body_bytes: '2MiB' is not a size from 65536 to 1048576");
	expect_found("- a\n",
		"1:1: error: the file must be a mapping of keys and values, found "
		"a list");
}
END_TEST

START_TEST(a_key_without_a_value_is_not_there)
{
	ck_assert_int_eq(parse("doors:\nregion: ~\nlimits:\nlisten:\n"), 0);
	ck_assert_str_eq(settings->region, "local");
	ck_assert_uint_eq(settings->n_listeners, 1);
	ck_assert_uint_ge(settings->n_doors, 1);
}
END_TEST

START_TEST(what_may_change_is_renewed_and_the_rest_is_said)
{
	struct settings *old;

	ck_assert_int_eq(parse("long_poll: 10s\nregion: a\nlisten: ['127.0.0.1:1']\n"), 0);
	old = take(&settings);
	ck_assert_int_eq(parse("long_poll: 20s\nregion: b\nlog_level: info\n"
			       "server_key: other.key\ndatabase: other.db\n"),
		0);
	settings_renew(old, settings, &found);
	ck_assert_uint_eq(old->long_poll_ms, 20000);
	ck_assert_str_eq(old->log_level, "info");
	ck_assert_str_eq(old->server_key, "/srv/ctl/other.key");
	ck_assert_str_eq(old->region, "a");
	ck_assert_str_eq(old->database, "/srv/ctl/droverd.db");
	ck_assert_uint_eq(found.n, 3);
	ck_assert_str_eq(found.items[0].text,
		"database changed; that counts from the next start "
		"on (systemctl restart droverd)");
	settings_free(old);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_says_why)
{
	cleanup_with(freep) char *path = path_join(test_dir(), "droverd.yml");
	cleanup_with(settings_freep) struct settings *loaded = NULL;

	ck_assert_int_eq(settings_load(&loaded, path, &found, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, "cannot open the configuration /"));
	ck_assert_int_eq(mkfifoat(test_dir_fd(), "droverd.yml", 0600), 0);
	ck_assert_int_eq(settings_load(&loaded, path, &found, &err), -EINVAL);
	ck_assert_int_eq(unlinkat(test_dir_fd(), "droverd.yml", 0), 0);
	ck_assert_int_eq(
		file_write_atomic(test_dir_fd(), "droverd.yml", "doors: 3\n", 9, 0600, &err),
		0);
	ck_assert_int_eq(settings_load(&loaded, path, &found, &err), 0);
	ck_assert_uint_eq(loaded->n_doors, 3);
	ck_assert_str_eq(loaded->path, path);
}
END_TEST

TESTS("controller/settings", an_empty_file_gives_the_defaults, every_kind_of_value_is_read,
	listeners_are_tls_unless_they_say_otherwise,
	all_mistakes_are_reported_each_with_its_place, a_plain_listener_stays_off_the_network,
	listeners_that_cannot_be_are_refused, a_path_of_a_socket_has_its_bounds,
	values_are_bounded_and_of_their_kind, a_key_without_a_value_is_not_there,
	what_may_change_is_renewed_and_the_rest_is_said, a_file_that_cannot_be_read_says_why)
