/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HEAL_TEST_SCENE_H
#define HEAL_TEST_SCENE_H

#include "fake.h"
#include "test.h"

/* A stale listener, the main process of ssh.service, in a tree of its own. */
struct scene {
	struct heal_context *ctx;
	struct fake_service fake;
	struct heal_listener listener;
	struct heal_notes notes;
};

void scene_init(struct scene *scene, int deadline_ms);
/* Has these facts seen, and no others; but of one that is foreign. */
void scene_see(struct scene *scene, uint64_t facts);
/* What follows from what was seen. */
uint64_t scene_facts(const struct scene *scene);
/* Actions of the fake: an sshd in the place of the old one. */
void scene_gets_new_process(struct fake_service *fake);
void scene_gets_new_stale_process(struct fake_service *fake);
void scene_done(struct scene *scene);
#define _cleanup_scene_ _cleanup_(scene_done)

#endif
