/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Hosts whose answers get lost, that repeat themselves, say late what nobody wants to hear any
 * more and hang up while they wait, before a controller that is started anew between any two
 * messages: whatever the order, every event runs exactly once on every host, and the deployment
 * comes to its end.
 */
#include "controller/delivery.h"

#include "service.h"

enum { N_HOSTS = 4, N_EVENTS = 7, N_OLD = 64, LIMIT_STEPS = 20000 };

enum stage { HELD, RUN };

struct held {
	char id[UUID_LENGTH + 1];
	char event[40];
	enum stage stage;
	struct held *next;
};

struct agent {
	char name[8];
	const char *extensions;
	struct asked poll;
	bool polls;
	struct held *held;
	unsigned runs[N_TARGET_EVENTS];
	char old[N_OLD][UUID_LENGTH + 1];
	unsigned n_old;
};

static struct service service;
static struct agent agents[N_HOSTS];
static uint64_t seed;

/* Below n; the same for the same seed everywhere. */
static unsigned draw(unsigned n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(seed >> 33) % n;
}

static bool is_lost(void)
{
	return draw(5) < 2;
}

/* ---- what an agent gets */

static void take_up(struct agent *agent, const struct asked *asked)
{
	const char *id = answer_of(asked, "HostCommand", "HostCommandIdentifier");
	struct held *held;

	if (!id[0])
		return;
	held = xcalloc(1, sizeof(*held));
	(void)snprintf(held->id, sizeof(held->id), "%s", id);
	(void)snprintf(held->event, sizeof(held->event), "%s", command_of(asked));
	held->next = agent->held;
	agent->held = held;
	(void)snprintf(agent->old[agent->n_old++ % N_OLD], UUID_LENGTH + 1, "%s", id);
}

static void drop(struct agent *agent, struct held *held)
{
	struct held **at = &agent->held;

	while (*at != held)
		at = &(*at)->next;
	*at = held->next;
	free(held);
}

static void end_poll(struct agent *agent)
{
	asked_done(&agent->poll);
	agent->polls = false;
}

/* ---- what it does */

static void poll_on(struct agent *agent)
{
	if (!agent->polls) {
		/* One of ours does one thing at a time. */
		if (agent->extensions && agent->held)
			return;
		agent->polls = true;
		poll_as(&agent->poll, &service, agent->name, agent->extensions);
	} else if (agent->poll.ended) {
		if (!is_lost())
			take_up(agent, &agent->poll);
		end_poll(agent);
	} else if (draw(3) == 0) {
		call_leave(&agent->poll.call);
		end_poll(agent);
	}
}

static void run(struct agent *agent, struct held *held)
{
	int event = target_event_find(held->event);

	ck_assert_int_ge(event, 0);
	agent->runs[event]++;
	ck_assert_msg(agent->runs[event] == 1, "%s runs %s twice", agent->name, held->event);
	held->stage = RUN;
}

static void say_acknowledged(struct agent *agent, struct held *held)
{
	struct asked asked;

	ask(&asked, &service, agent->name, agent->extensions, "PutHostCommandAcknowledgement",
		json_pack("{s:s}", "HostCommandIdentifier", held->id));
	if (!is_lost()) {
		if (strcmp(answer_of(&asked, "CommandStatus", NULL), "InProgress") == 0)
			run(agent, held);
		else
			drop(agent, held);
	}
	asked_done(&asked);
}

static void say_completed(struct agent *agent, struct held *held)
{
	struct asked asked;

	complete_as(
		&asked, &service, agent->name, agent->extensions, held->id, "Succeeded", "{}");
	if (!is_lost()) {
		drop(agent, held);
		take_up(agent, &asked);
	}
	asked_done(&asked);
}

static void go_on(struct agent *agent)
{
	struct held *held = agent->held;

	/* Any of them: workers of one agent overtake each other. */
	for (unsigned skip = draw(3); held && held->next && skip > 0; skip--)
		held = held->next;
	/* Workers of AWS's may be slow to begin, while the agent asks on. */
	if (!held || (held->stage == HELD && !agent->extensions && draw(6) > 0))
		poll_on(agent);
	else if (held->stage == HELD)
		say_acknowledged(agent, held);
	else
		say_completed(agent, held);
}

/* Something that was true once. */
static void speak_late(struct agent *agent)
{
	const char *id;
	struct asked asked;

	if (agent->n_old == 0)
		return;
	id = agent->old[(agent->n_old - 1 - draw(agent->n_old < 3 ? agent->n_old : 3)) % N_OLD];
	for (const struct held *held = agent->held; held; held = held->next)
		if (strcmp(held->id, id) == 0)
			return;
	/* What was answered to that is heard by nobody; a failure must not count. */
	if (draw(2))
		complete_as(&asked, &service, agent->name, AWS, id, "Failed", "{}");
	else
		ask(&asked, &service, agent->name, AWS, "PutHostCommandAcknowledgement",
			json_pack("{s:s}", "HostCommandIdentifier", id));
	asked_done(&asked);
}

static void restart(void)
{
	uint64_t wall_ms = service.clock.wall_ms;
	uint64_t boot_ms = service.clock.boot_ms;

	for (int i = 0; i < N_HOSTS; i++)
		if (agents[i].polls) {
			if (!agents[i].poll.ended)
				call_leave(&agents[i].poll.call);
			end_poll(&agents[i]);
		}
	service_restart(&service);
	service.clock.wall_ms = wall_ms;
	service.clock.boot_ms = boot_ms;
}

static void step(void)
{
	struct agent *agent = &agents[draw(N_HOSTS)];
	unsigned what = draw(100);

	if (what < 45)
		poll_on(agent);
	else if (what < 62)
		go_on(agent);
	else if (what < 80)
		speak_late(agent);
	else if (what < 96)
		service.clock.wall_ms += draw(8000);
	else
		restart();
}

static bool is_over(void)
{
	return deployments_find(service.deployments, service.deployment_id) == NULL;
}

static void check_end(void)
{
	cleanup_with(freep) char *status = service_status(&service);

	ck_assert_str_eq(status, "Succeeded");
	for (int i = 0; i < N_HOSTS; i++)
		for (int event = TARGET_APPLICATION_STOP; event <= TARGET_VALIDATE_SERVICE;
			event++)
			ck_assert_uint_eq(agents[i].runs[event], 1);
}

static void play(uint64_t with_seed)
{
	unsigned steps = 0;

	seed = with_seed;
	service_init(&service);
	for (int i = 0; i < N_HOSTS; i++) {
		agents[i] = (struct agent){ .extensions = i % 2 ? OURS : AWS };
		(void)snprintf(agents[i].name, sizeof(agents[i].name), "h%d", i);
		(void)service_add_host(&service, agents[i].name);
	}
	service_deploy(&service);
	while (!is_over() && steps++ < LIMIT_STEPS)
		step();
	ck_assert_msg(is_over(), "seed %llu: it hangs", (unsigned long long)with_seed);
	check_end();
	for (int i = 0; i < N_HOSTS; i++) {
		if (agents[i].polls)
			end_poll(&agents[i]);
		while (agents[i].held)
			drop(&agents[i], agents[i].held);
	}
	service_done(&service);
}

/* One seed a test, so that one that fails is named. */
#define SEED(n)                                                                                \
	START_TEST(nothing_runs_twice_and_nothing_hangs_##n)                                   \
	{                                                                                      \
		play(n);                                                                       \
	}                                                                                      \
	END_TEST

SEED(1)
SEED(2)
SEED(3)
SEED(4)
SEED(5)

TESTS("delivery_property", nothing_runs_twice_and_nothing_hangs_1,
	nothing_runs_twice_and_nothing_hangs_2, nothing_runs_twice_and_nothing_hangs_3,
	nothing_runs_twice_and_nothing_hangs_4, nothing_runs_twice_and_nothing_hangs_5)
