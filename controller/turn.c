/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/turn.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/time.h"
#include "controller/clock.h"
#include "controller/request.h"
#include "controller/store.h"

static void on_idle(struct loop_idle *idle)
{
	turn_end(container_of(idle, struct turn, idle));
}

int turn_start(struct turn *turn, struct loop *loop, struct error *err)
{
	return loop_idle_start(loop, &turn->idle, on_idle, err);
}

void turn_stop(struct turn *turn)
{
	loop_idle_stop(&turn->idle);
}

uint64_t turn_now_ms(struct turn *turn)
{
	if (turn->now_ms == 0)
		turn->now_ms = core_clock_now_ms(turn->clock);
	return turn->now_ms;
}

void turn_hold(struct turn *turn, struct request *request)
{
	if (turn->n_held == 0)
		turn->held_since_boot_ms = time_boot_ms();
	if (turn->last)
		turn->last->next_held = request;
	else
		turn->first = request;
	turn->last = request;
	turn->n_held++;
}

void turn_check(struct turn *turn)
{
	if (turn->n_held >= TURN_MAX_HELD ||
		(turn->n_held > 0 && time_boot_ms() - turn->held_since_boot_ms >= TURN_MAX_MS))
		turn_end(turn);
}

static int commit(struct turn *turn, struct error *err)
{
	uint64_t began_ms = time_boot_ms();
	uint64_t took_ms;
	int r;

	if (!store_is_changed(turn->store))
		return 0;
	core_clock_save(turn->clock, turn->store, turn_now_ms(turn));
	r = store_commit(turn->store, err);
	took_ms = time_boot_ms() - began_ms;
	if (took_ms > turn->longest_commit_ms)
		turn->longest_commit_ms = took_ms;
	turn->n_commits++;
	return r;
}

static void let_go(struct turn *turn, const struct error *why)
{
	struct request *next;

	for (struct request *request = turn->first; request; request = next) {
		next = request->next_held;
		request->next_held = NULL;
		if (why)
			request_withdraw(request, why);
		request_send(request); /* which frees it */
	}
	turn->first = turn->last = NULL;
	turn->n_held = 0;
}

void turn_end(struct turn *turn)
{
	struct error why = ERROR_NONE;
	int r = commit(turn, &why);

	if (r >= 0) {
		if (turn->on_committed)
			turn->on_committed(turn);
		let_go(turn, NULL);
		turn->now_ms = 0;
		return;
	}
	turn->n_failures++;
	log_error("nothing of the last %zu requests was kept: %s", turn->n_held, why.text);
	let_go(turn, &why);
	turn->now_ms = 0;
	turn->on_lost(turn, &why);
}
