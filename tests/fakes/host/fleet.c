/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "host.h"
#include "stream.h"

#define FLUSH_US 100000
#define LINE_MAX_BYTES 8192

/* The program's own sources; one fleet a process. */
static struct {
	struct fleet fleet;
	struct reactor_io signals;
	struct reactor_timer flush, end;
	struct reactor_timer timeline;
	uint64_t timeline_began_us;
	size_t next_incident;
} program;

uint64_t fleet_draw_us(struct fleet *fleet, const struct span *span)
{
	uint64_t width = span->to_us - span->from_us;
	uint64_t drawn;

	if (width == 0)
		return span->from_us;
	drawn = (uint64_t)rand_r(&fleet->seed) << 31 | (uint64_t)rand_r(&fleet->seed);
	return span->from_us + drawn % (width + 1);
}

/* ---- the hosts */

static int host_init(struct host *host, const json_t *json, struct error *err)
{
	const char *name = NULL, *arn = NULL, *access_key = NULL, *secret = NULL;
	int r = json_get_string(json, "name", &name, err);

	if (r == 0)
		r = json_get_string(json, "arn", &arn, err);
	if (r == 0)
		r = json_get_string(json, "accessKeyId", &access_key, err);
	if (r == 0)
		r = json_get_string(json, "secretAccessKey", &secret, err);
	if (r < 0)
		return r;
	host->name = xstrdup(name);
	host->arn = xstrdup(arn);
	host->access_key = xstrdup(access_key);
	host->secret = xstrdup(secret);
	return 0;
}

/* 127.1.0.1 and so on: one address a host, so that ports last and a limit per address of the
 * controller is met by each host alone. */
static struct in_addr source_of(const struct fleet_options *options, size_t line)
{
	struct in_addr first = { 0 };

	if (options->source && inet_pton(AF_INET, options->source, &first) == 1)
		first.s_addr = htonl(ntohl(first.s_addr) + (uint32_t)line);
	return first;
}

static int add_host(
	struct fleet *fleet, size_t *cap, size_t line, const char *text, struct error *err)
{
	cleanup_with(json_decrefp) json_t *json = NULL;
	struct host *host;
	int r = json_parse_object(&json, text, strlen(text), err);

	if (r < 0)
		return error_wrap(err, "line %zu", line + 1);
	xgrow(&fleet->hosts, cap, fleet->n_hosts);
	host = &fleet->hosts[fleet->n_hosts];
	*host = (struct host){
		.fleet = fleet,
		.index = fleet->n_hosts++,
		.source = source_of(fleet->options, line),
	};
	r = host_init(host, json, err);
	return r < 0 ? error_wrap(err, "line %zu", line + 1) : 0;
}

static int load_hosts(struct fleet *fleet, struct error *err)
{
	const struct fleet_options *options = fleet->options;
	cleanup_with(fclosep) FILE *file = fopen(options->hosts_path, "re");
	char text[LINE_MAX_BYTES];
	size_t cap = 0;
	int r = 0;

	if (!file)
		return error_set(err, -errno, "cannot read %s: %m", options->hosts_path);
	for (size_t line = 0; r == 0 && fgets(text, sizeof(text), file); line++)
		if (line % options->n_shards == options->shard)
			r = add_host(fleet, &cap, line, text, err);
	if (r == 0 && fleet->n_hosts == 0)
		r = error_set(err, -EINVAL, "there are no hosts");
	return r < 0 ? error_wrap(err, "%s", options->hosts_path) : 0;
}

static int take_scenario(struct fleet *fleet, struct error *err)
{
	struct scenario *scenario;
	int r = scenario_new(&scenario, fleet->options->scenario_path, fleet->n_hosts, err);

	for (size_t i = 0; r == 0 && i < fleet->n_hosts; i++)
		r = scenario_manner(
			scenario, fleet->hosts[i].name, &fleet->hosts[i].manner, err);
	if (r < 0)
		return r;
	/* The one before is kept: commands under way hold texts of it. */
	fleet->scenario = scenario;
	return 0;
}

/* ---- incidents */

static void on_timeline(struct reactor_timer *timer);

static void set_timeline(struct fleet *fleet)
{
	uint64_t since_us = reactor_now_us(fleet->reactor) - program.timeline_began_us;
	struct incident incident;

	if (scenario_incident(fleet->scenario, program.next_incident, &incident))
		reactor_timer_set(fleet->reactor, &program.timeline,
			incident.at_us > since_us ? incident.at_us - since_us : 0, on_timeline);
}

static void on_timeline(struct reactor_timer *timer)
{
	struct fleet *fleet = &program.fleet;
	struct incident incident;

	if (!scenario_incident(fleet->scenario, program.next_incident++, &incident))
		return;
	for (size_t i = 0; i < fleet->n_hosts; i++) {
		struct host *host = &fleet->hosts[i];

		if (!scenario_fits(incident.hosts, host->name))
			continue;
		if (incident.deed == DEED_RETURN)
			host_return(host);
		else if (host->state != HOST_LOST)
			host_crash(host, incident.is_silent, incident.return_us);
	}
	set_timeline(fleet);
}

static void begin_timeline(struct fleet *fleet)
{
	program.timeline_began_us = reactor_now_us(fleet->reactor);
	program.next_incident = 0;
	reactor_timer_stop(fleet->reactor, &program.timeline);
	set_timeline(fleet);
}

/* ---- signals and the end */

static void on_flush(struct reactor_timer *timer)
{
	record_flush(&program.fleet.record);
	reactor_timer_set(program.fleet.reactor, timer, FLUSH_US, on_flush);
}

static void on_end(struct reactor_timer *timer)
{
	reactor_stop(program.fleet.reactor);
}

/* How much was said so far, for who measures while it goes on. */
static void note_answers(struct fleet *fleet)
{
	cleanup_with(freep) char *answers = xasprintf(
		"%llu", (unsigned long long)fleet->endpoint.counts.answers);

	record_write(&fleet->record,
		&(struct record_line){ .host = "", .what = "answers", .detail = answers });
	record_flush(&fleet->record);
}

static void on_signal(struct reactor_io *io, uint32_t events)
{
	struct fleet *fleet = &program.fleet;
	struct signalfd_siginfo info;
	struct error err = ERROR_NONE;

	if (read(io->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGUSR1) {
		note_answers(fleet);
	} else if (info.ssi_signo != SIGHUP) {
		reactor_stop(fleet->reactor);
	} else if (take_scenario(fleet, &err) < 0) {
		fprintf(stderr, "fake-host: the former scenario stays: %s\n", err.text);
	} else {
		begin_timeline(fleet);
		record_write(&fleet->record,
			&(struct record_line){ .host = "", .what = "scenario" });
	}
}

static int watch_signals(struct fleet *fleet, struct error *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0 ||
		reactor_io_set(fleet->reactor, &program.signals, fd, EPOLLIN, on_signal) < 0)
		return error_set(err, -errno, "cannot wait for signals: %m");
	return 0;
}

/* ---- summary */

static uint64_t resident_bytes(void)
{
	cleanup_with(closep) int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	char line[200] = "";
	const char *resident;

	if (fd < 0 || read(fd, line, sizeof(line) - 1) < 0)
		return 0;
	resident = strchr(line, ' '); /* the second number, in pages */
	if (!resident)
		return 0;
	return strtoull(resident, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t processor_us(void)
{
	struct rusage used;

	(void)getrusage(RUSAGE_SELF, &used); /* cannot fail with these arguments */
	return ((uint64_t)used.ru_utime.tv_sec + (uint64_t)used.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)used.ru_utime.tv_usec + (uint64_t)used.ru_stime.tv_usec;
}

static void add_durations(json_t *summary, struct fleet *fleet)
{
	for (unsigned i = 0; i < N_OPERATIONS; i++) {
		struct durations *durations = &fleet->durations[i];

		json_object_set_new(summary, operation_name((enum operation)i),
			json_pack("{s:I, s:f, s:f, s:f}", "calls", (json_int_t)durations->n,
				"p50_ms", durations_quantile(durations, 0.5) / 1000.0, "p99_ms",
				durations_quantile(durations, 0.99) / 1000.0, "max_ms",
				durations_quantile(durations, 1.0) / 1000.0));
	}
}

static void print_summary(struct fleet *fleet, uint64_t bytes_at_start)
{
	const struct fleet_counts *counts = &fleet->counts;
	const struct endpoint_counts *wire = &fleet->endpoint.counts;
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "hosts", fleet->n_hosts },
		{ "polls", counts->polls },
		{ "commands", counts->commands },
		{ "redelivered", counts->redelivered },
		{ "succeeded", counts->succeeded },
		{ "failed", counts->failed },
		{ "refused", counts->refused },
		{ "crashes", counts->crashes },
		{ "wrongly_signed", counts->unsigned_specifications },
		{ "connections", wire->connections },
		{ "handshakes", wire->handshakes },
		{ "resumed", wire->resumed },
		{ "network_failures", wire->failures },
		{ "answers", wire->answers },
		{ "undated_answers", wire->undated },
		{ "processor_us", processor_us() },
		{ "bytes_per_host", (resident_bytes() - bytes_at_start) / fleet->n_hosts },
	};
	cleanup_with(json_decrefp) json_t *summary = json_object();
	cleanup_with(freep) char *text = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		json_object_set_new(
			summary, numbers[i].name, json_integer((json_int_t)numbers[i].value));
	add_durations(summary, fleet);
	text = json_dumps(summary, JSON_REAL_PRECISION(6));
	puts(text);
}

/* ---- */

static void fleet_done(struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->n_hosts; i++)
		host_done(&fleet->hosts[i]);
	free(fleet->hosts);
	scenario_free(fleet->scenario);
	specifications_done(&fleet->specifications);
	for (unsigned i = 0; i < N_OPERATIONS; i++)
		durations_done(&fleet->durations[i]);
	endpoint_done(&fleet->endpoint);
	record_done(&fleet->record);
	reactor_io_stop(fleet->reactor, &program.signals);
	reactor_free(fleet->reactor);
}

static int fleet_init(
	struct fleet *fleet, const struct fleet_options *options, struct error *err)
{
	int r;

	fleet->options = options;
	r = load_hosts(fleet, err);
	if (r == 0)
		r = take_scenario(fleet, err);
	if (r == 0)
		r = reactor_new(&fleet->reactor, err);
	if (r == 0)
		r = endpoint_init(
			&fleet->endpoint, fleet->reactor, options->url, options->ca_path, err);
	if (r == 0 && options->record_path)
		r = record_open(&fleet->record, options->record_path, err);
	if (r == 0)
		r = watch_signals(fleet, err);
	return r;
}

static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit); /* then connections fail and say so */
}

int fleet_run(const struct fleet_options *options, struct error *err)
{
	struct fleet *fleet = &program.fleet;
	uint64_t bytes_at_start;
	int r = fleet_init(fleet, options, err);

	if (r < 0)
		return r;
	raise_descriptor_limit();
	fleet->seed = scenario_seed(fleet->scenario) + options->shard;
	bytes_at_start = resident_bytes();
	for (size_t i = 0; i < fleet->n_hosts; i++)
		host_start(&fleet->hosts[i]);
	begin_timeline(fleet);
	on_flush(&program.flush);
	if (options->seconds > 0)
		reactor_timer_set(fleet->reactor, &program.end,
			(uint64_t)options->seconds * 1000000, on_end);
	r = reactor_run(fleet->reactor, err);
	if (r == 0)
		print_summary(fleet, bytes_at_start);
	fleet_done(fleet);
	return r;
}
