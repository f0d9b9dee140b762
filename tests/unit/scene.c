/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scene.h"

void scene_init(struct scene *scene, int deadline_ms)
{
	const struct tree *tree = tree_new();

	*scene = (struct scene){
		.ctx = tree_context(tree),
		.fake = {.tree = tree, .unit = fake_unit(SCENE_PID), .main_pid = SCENE_PID},
		.listener = {.dirfd = -1},
	};
	scene->ctx->deadline_ms = heal_now_ms() + deadline_ms;
	fake_service_use(scene->ctx, &scene->fake);
	tree_add(tree, &(struct tree_process){.pid = SCENE_PID, .maps = TREE_MAPS_STALE});
	tree_load(scene->ctx, SCENE_PID, &scene->listener);
	scene->listener.unit = scene->fake.unit;
	scene->listener.unit.id = strdup(scene->fake.unit.id);
}

void scene_done(struct scene *scene)
{
	heal_notes_done(&scene->notes);
	heal_listener_done(&scene->listener);
	(void)heal_context_free(scene->ctx);
}
