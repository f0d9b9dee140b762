/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sshd has read of its configuration and host keys, and what it has not. */
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "scene.h"

#define MAIN "etc/ssh/sshd_config"
#define DROP_IN "etc/ssh/d/a.conf"
#define RSA "etc/ssh/ssh_host_rsa_key"
#define ED25519 "etc/ssh/ssh_host_ed25519_key"
#define ECDSA "etc/ssh/ssh_host_ecdsa_key"
#define CHANGED " was changed since sshd read its configuration"
#define MAYBE " was changed after sshd had read its configuration, or right before"
#define REPLACED "the host key /" RSA " was replaced since sshd read it"

/* Clock ticks since boot, as a process has that starts so many milliseconds from now. */
static uint64_t ticks_from_now(int ms)
{
	struct timespec boot = {0};

	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &boot), 0);
	return (uint64_t)(boot.tv_sec * 1000 + boot.tv_nsec / 1000000 + ms) *
	       (uint64_t)sysconf(_SC_CLK_TCK) / 1000;
}

/* A fresh listener that starts in a minute, when all that is there now will have been read. */
static void pending_init(struct scene *scene)
{
	static const struct heal_hello hello = {.fate = HEAL_FATE_OK};
	const struct tree *tree;

	scene_init(scene, 500);
	tree = scene->fake.tree;
	tree_set_maps(tree, PID, TREE_MAPS_FRESH);
	heal_evidence_clear_stale(&scene->listener.evidence);
	scene->listener.process.start_time = ticks_from_now(60000);
	fake_client_use(scene->ctx, &hello, 1);
	tree_file(tree, MAIN, "Include d/*.conf\nUsePAM yes\n");
	tree_file(tree, DROP_IN, "X11Forwarding no\n");
	tree_file(tree, RSA, "ssh-rsa SHA256:r");
	tree_file(tree, ED25519, "ssh-ed25519 SHA256:e");
}

/* Looks anew. */
static const char *pending_look_again(struct scene *scene)
{
	struct heal_evidence *evidence = &scene->listener.evidence;

	heal_counted_free(evidence->counted, evidence->n_counted);
	evidence->counted = NULL;
	evidence->n_counted = 0;
	heal_pending_find(scene->ctx, &scene->listener);
	return evidence->pending.detail;
}

static void pending_prove(struct scene *scene)
{
	const struct heal_listeners listeners = {.items = &scene->listener, .count = 1};
	_cleanup_(heal_proof_done) struct heal_last_proof before = {0};
	struct heal_error error = {0};

	(void)heal_proof_load(scene->ctx, &before);
	if (heal_proof_take(scene->ctx, &listeners, &before, &error) < 0)
		fail_msg("%s", error.message);
}

static bool pending_is_proven(struct scene *scene)
{
	_cleanup_(heal_proof_done) struct heal_last_proof proof = {0};

	(void)heal_proof_load(scene->ctx, &proof);
	return heal_proof_holds(scene->ctx, &proof, &scene->listener.process);
}

static void touch(const struct tree *tree)
{
	heal_sleep_ms(10);
	tree_file(tree, MAIN, "Include d/*.conf\nUsePAM yes\n");
	tree_file(tree, RSA, "ssh-rsa SHA256:r");
	tree_file(tree, "etc/ssh/d/new", "");
	assert_int_equal(renameat(tree->fd, DROP_IN, tree->fd, "etc/ssh/d/other"), 0);
	assert_int_equal(renameat(tree->fd, "etc/ssh/d/other", tree->fd, DROP_IN), 0);
}

static void change_main(const struct tree *tree)
{
	tree_file(tree, MAIN, "Include d/*.conf\nUsePAM yes\nMatch User x\n");
}

static void change_drop_in(const struct tree *tree)
{
	/* As long as before, and of an old date. */
	const struct timespec long_ago[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};

	tree_file(tree, DROP_IN, "X11Forwarding on\n");
	assert_int_equal(utimensat(tree->fd, DROP_IN, long_ago, 0), 0);
}

static void add_drop_in(const struct tree *tree)
{
	tree_file(tree, "etc/ssh/d/9.conf", "");
	tree_file(tree, "etc/ssh/d/0.conf", "");
}

static void remove_drop_in(const struct tree *tree)
{
	tree_remove(tree, DROP_IN);
}

static void replace_key(const struct tree *tree)
{
	tree_file(tree, RSA, "ssh-rsa SHA256:another");
}

static void remove_key(const struct tree *tree)
{
	tree_remove(tree, RSA);
}

static void add_key_of_another_type(const struct tree *tree)
{
	tree_file(tree, ECDSA, "ecdsa-sha2-nistp256 SHA256:c");
}

static void exchange_keys(const struct tree *tree)
{
	tree_file(tree, RSA, "ssh-ed25519 SHA256:e");
	tree_file(tree, ED25519, "ssh-rsa SHA256:r");
}

static void change_both(const struct tree *tree)
{
	change_drop_in(tree);
	replace_key(tree);
}

static const struct pending_row {
	const char *what;
	void (*change)(const struct tree *tree);
	const char *detail;   /* by the last proof */
	const char *unproven; /* by dates alone */
} rows[] = {
	{"touched", touch, "", "/" DROP_IN MAYBE "; the host key /" RSA " may not be the one that sshd has read"},
	{"main", change_main, "/" MAIN CHANGED, "/" MAIN MAYBE},
	{"drop-in", change_drop_in, "/" DROP_IN CHANGED, "/" DROP_IN MAYBE},
	{"added", add_drop_in, "/etc/ssh/d/0.conf was added since sshd read its configuration",
	 "/etc/ssh/d/0.conf" MAYBE},
	{"removed", remove_drop_in, "/" DROP_IN " was taken away since sshd read its configuration",
	 "files may have been taken out of /etc/ssh/d since sshd read its configuration"},
	{"replaced key", replace_key, REPLACED, "the host key /" RSA " may not be the one that sshd has read"},
	{"removed key", remove_key, "the host key /" RSA " was taken away since sshd read it",
	 "the host key /" RSA " may not be the one that sshd has read"},
	{"another type", add_key_of_another_type, "", NULL},
	{"exchanged", exchange_keys, "", NULL},
	{"both", change_both, "/" DROP_IN CHANGED "; " REPLACED, NULL},
};

HEAL_TEST(pending_is_what_differs_from_what_was_read_by_the_last_proof)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_scene_ struct scene scene;
		const char *detail;

		pending_init(&scene);
		assert_string_equal(pending_look_again(&scene), "");
		pending_prove(&scene);
		assert_true(pending_is_proven(&scene));
		rows[i].change(scene.fake.tree);
		assert_row(!pending_is_proven(&scene), "%s", rows[i].what);
		detail = pending_look_again(&scene);
		assert_row(strcmp(detail, rows[i].detail) == 0, "%s: %s", rows[i].what, detail);
		assert_row(scene.listener.evidence.pending.is_config == (strstr(detail, "configuration") != NULL) &&
				   scene.listener.evidence.pending.is_key == (strstr(detail, "key") != NULL),
			   "%s", rows[i].what);
		/* Looked at once, and known from then on; still waiting, too. */
		pending_prove(&scene);
		assert_row(pending_is_proven(&scene), "%s", rows[i].what);
		detail = pending_look_again(&scene);
		assert_row(strcmp(detail, rows[i].detail) == 0, "again, %s: %s", rows[i].what, detail);
		/* Nothing waits once it has executed itself: the proof's files are as they were. */
		scene.listener.process.program++;
		assert_false(pending_is_proven(&scene));
		assert_string_equal(pending_look_again(&scene), "");
		tree_remove_all();
	}
}

/* A listener that started after all but what is changed now was there. */
static void pending_start(struct scene *scene)
{
	pending_init(scene);
	heal_sleep_ms(20);
	scene->listener.process.start_time = ticks_from_now(0);
	heal_sleep_ms(80);
}

HEAL_TEST(pending_without_a_proof_is_what_is_younger_than_the_last_start)
{
	/* The rows that tell nothing by dates stand at the end. */
	for (size_t i = 0; rows[i].unproven; i++) {
		_cleanup_scene_ struct scene scene;
		const char *detail;

		pending_start(&scene);
		assert_string_equal(pending_look_again(&scene), "");
		rows[i].change(scene.fake.tree);
		detail = pending_look_again(&scene);
		assert_row(strcmp(detail, rows[i].unproven) == 0, "%s: %s", rows[i].what, detail);
		/* It has written its PID file since: that was a reload. */
		heal_sleep_ms(5);
		tree_file(scene.fake.tree, "run/sshd.pid", "34\n");
		assert_string_equal(pending_look_again(&scene), "");
		/* Another's says nothing of this one. */
		tree_file(scene.fake.tree, "run/sshd.pid", "35\n");
		detail = pending_look_again(&scene);
		assert_row(strcmp(detail, rows[i].unproven) == 0, "%s: %s", rows[i].what, detail);
		tree_remove_all();
	}
}

HEAL_TEST(pending_key_is_the_one_that_a_client_has_seen)
{
	static const struct {
		const char *live;
		const char *detail;
	} keys[] = {
		{"ssh-rsa SHA256:r", ""},
		{"ssh-rsa SHA256:before", REPLACED},
		{"ssh-ed25519 SHA256:e", "the host key /" RSA " may not be the one that sshd has read"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		_cleanup_scene_ struct scene scene;
		const char *detail;

		pending_start(&scene);
		tree_file(scene.fake.tree, RSA, "ssh-rsa SHA256:r");
		(void)strcpy(scene.listener.evidence.live.key, keys[i].live);
		detail = pending_look_again(&scene);
		assert_row(strcmp(detail, keys[i].detail) == 0, "%s: %s", keys[i].live, detail);
		tree_remove_all();
	}
}

/* 9.7 and older: what is there is what clients meet, with us or without. */
HEAL_TEST(pending_keys_are_none_where_sshd_reads_them_for_every_client)
{
	static const struct {
		const char *program;
		const char *detail;
	} programs[] = {
		{"Missing privilege separation directory", ""},
		{"%s%s/usr/lib/openssh/sshd-session\n", REPLACED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		_cleanup_scene_ struct scene scene;
		const char *detail;
		char path[600];

		pending_init(&scene);
		scene.ctx->is_live = true;
		tree_file(scene.fake.tree, "usr/sbin/sshd", programs[i].program);
		(void)snprintf(path, sizeof(path), "%s/usr/sbin/sshd", scene.fake.tree->path);
		tree_remove(scene.fake.tree, "proc/34/exe");
		tree_link(scene.fake.tree, "proc/34/exe", path);
		(void)pending_look_again(&scene);
		pending_prove(&scene);
		replace_key(scene.fake.tree);
		detail = pending_look_again(&scene);
		assert_row(strcmp(detail, programs[i].detail) == 0, "%zu: %s", i, detail);
		tree_remove_all();
	}
}

HEAL_TEST(pending_is_looked_for_where_the_arguments_say)
{
	static const struct {
		const char *title; /* '|' is NUL */
		const char *words; /* NULL: no listener's */
	} titles[] = {
		{"sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", ""},
		{"sshd: /usr/sbin/sshd -D -f /etc/own -o PidFile none -oHostKey /a b -h /c [listener] 0", 
		 "-f|/etc/own|-o|PidFile none|-o|HostKey /a b|-h|/c|"},
		{"sshd: /usr/sbin/sshd -Df /etc/o wn [listener] 0", "-f|/etc/o wn|"},
		{"/usr/sbin/sshd|-f|/etc/own|", "-f|/etc/own|"},
		{"sshd: /usr/sbin/sshd -Z [listener] 0", NULL},
		{"sshd: root@pts/0", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(titles); i++) {
		_cleanup_(heal_words_done) struct heal_words words = {0};
		_cleanup_(heal_words_done) struct heal_words argv = {0};
		_cleanup_free_ char *text = strdup(titles[i].title);
		size_t len = strlen(text);
		int r;

		for (char *c = strchr(text, '|'); c; c = strchr(c + 1, '|'))
			*c = '\0';
		r = arguments_of_title(text, len, &argv);
		if (r == 0)
			r = arguments_trial_options(&argv, &words);
		assert_row(r == (titles[i].words ? 0 : -EINVAL), "%s: %d", titles[i].title, r);
		assert_words(titles[i].title, &words, titles[i].words ? titles[i].words : "");
	}
}

HEAL_TEST(pending_that_cannot_be_found_out_says_so)
{
	_cleanup_scene_ struct scene scene;

	if (geteuid() != 0)
		skip();
	pending_init(&scene);
	assert_int_equal(fchmodat(scene.fake.tree->fd, "etc/ssh/d", 0777, 0), 0);
	assert_string_equal(pending_look_again(&scene),
			    "whether its configuration was changed could not be found out: reading "
			    "/etc/ssh/d: not only root can change it");
	assert_false(scene.listener.evidence.is_counted);
	assert_int_equal(scene_facts(&scene) & HEAL_FACT_CONFIG_PENDING, HEAL_FACT_CONFIG_PENDING);
	/* The files that it runs are proven all the same. */
	pending_prove(&scene);
	assert_true(pending_is_proven(&scene));
}

/* What an action of ours has had read, does not wait any more, however that came about. */
HEAL_TEST(pending_is_nothing_after_an_action)
{
	_cleanup_scene_ struct scene scene;

	pending_init(&scene);
	(void)pending_look_again(&scene);
	pending_prove(&scene);
	change_both(scene.fake.tree);
	remove_key(scene.fake.tree);
	assert_string_not_equal(pending_look_again(&scene), "");
	scene.listener.result.outcome = HEAL_OUTCOME_HEALED;
	pending_prove(&scene);
	assert_string_equal(pending_look_again(&scene), "");
	assert_true(pending_is_proven(&scene));
}
