/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sys/socket.h>
#include <sys/stat.h>

#include "test.h"
#include "way.h"

static const struct heal_hello gets_in = {.fate = HEAL_FATE_OK, .key = KEY};

/* The scene that the fake's actions belong to. */
static struct way *way_now;

static void *way_serve(void *argument)
{
	const struct way *way = argument;
	const char *greeting;
	int client;

	while ((client = accept(way->fd, NULL, NULL)) >= 0) {
		/* A client that is gone already needs no greeting. */
		greeting = way->greeting;
		if (send(client, greeting, strlen(greeting), MSG_NOSIGNAL) < 0)
			errno = 0;
		(void)close(client);
	}
	return NULL;
}

void way_listen(struct way *way)
{
	int port = 0;
	struct stat st;

	way->fd = fake_server(&port);
	(void)snprintf(way->address, sizeof(way->address), "127.0.0.1:%d", port);
	assert_int_equal(fstat(way->fd, &st), 0);
	(void)snprintf(way->inode, sizeof(way->inode), "%lu", (unsigned long)st.st_ino);
	assert_int_equal(pthread_create(&way->server, NULL, way_serve, way), 0);
}

void way_hang_up(struct way *way)
{
	(void)shutdown(way->fd, SHUT_RDWR);
	(void)pthread_join(way->server, NULL);
	(void)close(way->fd);
}

void way_process(const struct way *way, pid_t pid, const char *maps, const char *sockets)
{
	tree_add(way->tree, &(struct tree_process){
				    .pid = pid, .exe = way->exe, .maps = maps, .sockets = sockets});
}

void way_sshd(const struct way *way, const char *serve, const char *tell)
{
	char text[1024];

	(void)snprintf(text, sizeof(text),
		       "#!/bin/sh\ncase \"$1\" in\n-T) %s\n;;\n*) %s\n;;\nesac\n", tell, serve);
	tree_remove(way->tree, "usr/sbin/sshd");
	tree_file(way->tree, "usr/sbin/sshd", text);
	assert_int_equal(fchmodat(way->tree->fd, "usr/sbin/sshd", 0755, 0), 0);
}

void way_sshd_says(const struct way *way, const char *effective)
{
	char tell[512];

	(void)snprintf(tell, sizeof(tell), "cat <<'EOF'\nlistenaddress %s\n%s\nEOF", way->address,
		       effective);
	way_sshd(way, "echo SSH-2.0-disk", tell);
}

void way_serves_again(struct fake_service *fake)
{
	way_now->greeting = "SSH-2.0-new\r\n";
	fake_becomes_fresh(fake);
}

void way_gets_new_process(struct fake_service *fake)
{
	tree_end(fake->tree, PID);
	way_process(way_now, NEW_PID, TREE_MAPS_FRESH, way_now->inode);
	fake->main_pid = NEW_PID;
}

void way_init(struct way *way)
{
	*way = (struct way){.tree = tree_new(), .greeting = "SSH-2.0-old\r\n"};
	way_now = way;
	way->ctx = tree_context(way->tree);
	way->ctx->is_live = true;
	way->service = (struct fake_service){
		.tree = way->tree,
		.unit = fake_unit(PID),
		.main_pid = PID,
		.on_reload = fake_becomes_fresh,
		.on_restart = way_gets_new_process,
		.on_start = way_gets_new_process,
		.exec_path = way->exe,
		.exec_start = "/usr/sbin/sshd -D",
	};
	fake_service_use(way->ctx, &way->service);
	fake_packages_use(way->ctx, &way->packages);
	fake_client_use(way->ctx, &gets_in, 1);
	way_listen(way);
	(void)snprintf(way->exe, sizeof(way->exe), "%s/usr/sbin/sshd", way->tree->path);
	free(way->ctx->config.sshd_paths.items[0]);
	way->ctx->config.sshd_paths.items[0] = strdup(way->exe);
	way_sshd_says(way, "");
	way_process(way, PID, TREE_MAPS_STALE, way->inode);
	tree_link(way->tree, "proc/thread-self/ns/net", TREE_NET_NS);
	tree_link(way->tree, "proc/thread-self/ns/user", "user:[4026531837]");
	tree_file(way->tree, "proc/thread-self/status", "Name:\tunit\nUid:\t0\t0\t0\t0\n");
	tree_file(way->tree, LEFT, "1\nsomething else\n");
}

void way_done(struct way *way)
{
	way_hang_up(way);
	heal_report_done(&way->report);
	(void)heal_context_free(way->ctx);
}

const struct heal_listener *way_run(struct way *way, enum heal_verb verb)
{
	if (heal_run(way->ctx, verb, &way->report, &way->error) < 0)
		fail_msg("%s", way->error.message);
	assert_int_equal(way->report.listeners.count, 1);
	return &way->report.listeners.items[0];
}

const struct heal_listener *way_run_warned(struct way *way)
{
	const struct heal_listener *listener = way_run(way, HEAL_HEAL);

	assert_string_equal(way->service.calls, LOOK);
	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_WARNED);
	return listener;
}

const struct heal_listener *way_run_untried(struct way *way)
{
	const struct heal_listener *listener = way_run_warned(way);

	assert_int_equal(listener->evidence.trial.result, HEAL_TRIAL_SKIPPED);
	assert_string_equal(listener->result.reason,
			    "it could not be tried whether the files on disk let a client in");
	assert_string_equal(listener->result.detail, "");
	assert_int_equal(listener->result.verdict, HEAL_VERDICT_STALE);
	return listener;
}
