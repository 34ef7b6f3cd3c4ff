/* SPDX-License-Identifier: Apache-2.0 */

/* A plan as people see it. */

#include <sys/stat.h>

#include "agent/plan.h"
#include "base/buf.h"
#include "base/cleanup.h"

struct plan_totals plan_totals(const struct plan *plan)
{
	return plan->totals;
}

/* A directory's time follows the bundle's; people care for its owner and mode. */
static bool looks_adjusted(const struct plan *plan, const struct node *node)
{
	const struct seen *seen = tree_seen(&plan->tree, node);

	return seen->mode != node->mode || seen->uid != node->uid || seen->gid != node->gid;
}

enum plan_action plan_action_of(const struct plan *plan, const struct node *node)
{
	switch ((enum act)node->act) {
	case ACT_NEW:
		return PLAN_NEW;
	case ACT_ADJUSTED:
		return looks_adjusted(plan, node) ? PLAN_REPLACED : PLAN_SAME;
	case ACT_REPLACED:
	case ACT_RESTORED:
		return PLAN_REPLACED;
	case ACT_REMOVED:
		return PLAN_REMOVED;
	case ACT_KEPT:
		return PLAN_KEPT;
	case ACT_NONE:
	case ACT_SAME:
		break;
	}
	return PLAN_SAME;
}

static const char *note_of(const struct node *node)
{
	if (node->act == ACT_RESTORED)
		return "the original comes back from replaced/";
	if (node->act == ACT_KEPT)
		return node->want == KIND_NONE ? "not empty" : "not ours: retained";
	if (node->flags & NODE_SAVED)
		return "not ours: kept in replaced/";
	if ((node->flags & NODE_CHANGED) && node->act != ACT_SAME)
		return "was changed by others";
	return NULL;
}

static char type_of(enum kind kind)
{
	return kind == KIND_DIRECTORY ? 'd' : kind == KIND_LINK ? 'l' : 'f';
}

static void fill(const struct plan *plan, const struct node *node, struct plan_item *ret)
{
	const struct seen *seen = tree_seen(&plan->tree, node);
	bool stays = node->want == KIND_NONE || node->act == ACT_KEPT;

	*ret = (struct plan_item){
		.action = plan_action_of(plan, node),
		.type = type_of(stays ? node->host : node->want),
		.mode = node->mode & 07777,
		.uid = node->uid,
		.gid = node->gid,
		.note = note_of(node),
	};
	if (seen) {
		ret->old_mode = seen->mode & 07777;
		ret->old_uid = seen->uid;
		ret->old_gid = seen->gid;
	}
	if (stays && seen) {
		ret->mode = seen->mode & 07777;
		ret->uid = seen->uid;
		ret->gid = seen->gid;
	}
	if (node->want == KIND_FILE && (node->act == ACT_NEW || node->act == ACT_REPLACED))
		ret->bytes = node->size;
}

int plan_each(const struct plan *plan,
	int (*each)(const struct plan_item *item, void *userdata), void *userdata)
{
	const struct tree *tree = &plan->tree;
	cleanup_with(buf_done) struct buf path = { 0 };
	int r = 0;

	for (uint32_t node = tree_next(tree, TREE_ROOT); node && r == 0;
		node = tree_next(tree, node)) {
		struct plan_item item;

		if (tree_node(tree, node)->act == ACT_NONE)
			continue;
		buf_clear(&path);
		tree_path(tree, node, &path);
		fill(plan, tree_node(tree, node), &item);
		item.path = path.data;
		r = each(&item, userdata);
	}
	return r;
}
