/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake-host: a fleet of simulated hosts that speak to a controller as AWS's agents and ours do,
 * message by message. README.md beside this file says how to use it.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "fleet.h"
#include "setup.h"

static const char help[] =
	"fake-host setup --endpoint URL --credentials FILE --out FILE --count N [--ca FILE]\n"
	"          [--prefix NAME-] [--first N] [--tag KEY=VALUE]... [--profile NAME]\n"
	"          [--account ID] [--region NAME]\n"
	"fake-host run --endpoint URL --hosts FILE [--ca FILE] [--scenario FILE] [--record "
	"FILE]\n"
	"          [--seconds N] [--source ADDRESS] [--shard I/N] [--region NAME]\n";

enum {
	OPTION_ENDPOINT = 256,
	OPTION_CA,
	OPTION_CREDENTIALS,
	OPTION_PROFILE,
	OPTION_OUT,
	OPTION_COUNT,
	OPTION_PREFIX,
	OPTION_FIRST,
	OPTION_TAG,
	OPTION_ACCOUNT,
	OPTION_REGION,
	OPTION_HOSTS,
	OPTION_SCENARIO,
	OPTION_RECORD,
	OPTION_SECONDS,
	OPTION_SOURCE,
	OPTION_SHARD
};

static const struct option names[] = {
	{ "endpoint", required_argument, NULL, OPTION_ENDPOINT },
	{ "ca", required_argument, NULL, OPTION_CA },
	{ "credentials", required_argument, NULL, OPTION_CREDENTIALS },
	{ "profile", required_argument, NULL, OPTION_PROFILE },
	{ "out", required_argument, NULL, OPTION_OUT },
	{ "count", required_argument, NULL, OPTION_COUNT },
	{ "prefix", required_argument, NULL, OPTION_PREFIX },
	{ "first", required_argument, NULL, OPTION_FIRST },
	{ "tag", required_argument, NULL, OPTION_TAG },
	{ "account", required_argument, NULL, OPTION_ACCOUNT },
	{ "region", required_argument, NULL, OPTION_REGION },
	{ "hosts", required_argument, NULL, OPTION_HOSTS },
	{ "scenario", required_argument, NULL, OPTION_SCENARIO },
	{ "record", required_argument, NULL, OPTION_RECORD },
	{ "seconds", required_argument, NULL, OPTION_SECONDS },
	{ "source", required_argument, NULL, OPTION_SOURCE },
	{ "shard", required_argument, NULL, OPTION_SHARD },
	{ NULL },
};

struct options {
	struct setup_options setup;
	struct fleet_options fleet;
};

static _Noreturn void misuse(const char *why)
{
	fprintf(stderr, "fake-host: %s\n%s", why, help);
	exit(2);
}

static unsigned number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || *end || value > 1000000)
		misuse("a number was expected");
	return (unsigned)value;
}

static void take_shard(struct fleet_options *fleet, const char *text)
{
	char *end;

	fleet->shard = (unsigned)strtoul(text, &end, 10);
	if (*end == '/')
		fleet->n_shards = number(end + 1);
	if (*end != '/' || fleet->n_shards == 0 || fleet->shard >= fleet->n_shards)
		misuse("--shard takes I/N, from 0/N to N-1/N");
}

static void take_tag(struct setup_options *setup, const char *text)
{
	if (setup->n_tags == sizeof(setup->tags) / sizeof(setup->tags[0]))
		misuse("a host takes ten tags");
	setup->tags[setup->n_tags++] = text;
}

static void take_option(struct options *options, int option, const char *value)
{
	const struct {
		int option;
		const char **place;
	} texts[] = {
		{ OPTION_ENDPOINT, &options->fleet.url },
		{ OPTION_CA, &options->fleet.ca_path },
		{ OPTION_REGION, &options->fleet.region },
		{ OPTION_HOSTS, &options->fleet.hosts_path },
		{ OPTION_SCENARIO, &options->fleet.scenario_path },
		{ OPTION_RECORD, &options->fleet.record_path },
		{ OPTION_SOURCE, &options->fleet.source },
		{ OPTION_CREDENTIALS, &options->setup.credentials_path },
		{ OPTION_PROFILE, &options->setup.profile },
		{ OPTION_OUT, &options->setup.out_path },
		{ OPTION_PREFIX, &options->setup.prefix },
		{ OPTION_ACCOUNT, &options->setup.account },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].option == option)
			*texts[i].place = value;
	if (option == OPTION_COUNT)
		options->setup.count = number(value);
	else if (option == OPTION_FIRST)
		options->setup.first = number(value);
	else if (option == OPTION_SECONDS)
		options->fleet.seconds = number(value);
	else if (option == OPTION_SHARD)
		take_shard(&options->fleet, value);
	else if (option == OPTION_TAG)
		take_tag(&options->setup, value);
	else if (option == '?')
		misuse("unknown option");
}

int main(int argc, char **argv)
{
	struct options options = {
		.setup = { .profile = "drover",
			.account = "000000000000",
			.prefix = "host-",
			.first = 1 },
		.fleet = { .region = "local", .n_shards = 1 },
	};
	struct error err = ERROR_NONE;
	int option;
	int r;

	if (argc < 2)
		misuse("what is to be done?");
	while ((option = getopt_long(argc - 1, argv + 1, "", names, NULL)) >= 0)
		take_option(&options, option, optarg);
	options.setup.url = options.fleet.url;
	options.setup.ca_path = options.fleet.ca_path;
	options.setup.region = options.fleet.region;
	if (!options.fleet.url)
		misuse("--endpoint is missing");
	if (strcmp(argv[1], "setup") == 0) {
		if (!options.setup.credentials_path || !options.setup.out_path ||
			options.setup.count == 0)
			misuse("setup needs --credentials, --out and --count");
		r = setup_run(&options.setup, &err);
	} else if (strcmp(argv[1], "run") == 0) {
		if (!options.fleet.hosts_path)
			misuse("run needs --hosts");
		r = fleet_run(&options.fleet, &err);
	} else {
		misuse("the first word is setup or run");
	}
	if (r < 0)
		fprintf(stderr, "fake-host: %s\n", err.text);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
