/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "fake.h"
#include "test.h"

/* What the next open() gives. */
static struct fake_service *fake_offered;

static void fake_record(struct fake_service *fake, const char *call, const char *object)
{
	size_t used = strlen(fake->calls);

	(void)snprintf(fake->calls + used, sizeof(fake->calls) - used, "%s%s%s; ", call,
		       object ? " " : "", object ? object : "");
}

static int fake_result(const struct fake_service *fake, const char *call, struct heal_error *error)
{
	if (!test_same(fake->failing, call))
		return 0;
	return heal_error_set(error, fake->code, "%s did not work", call);
}

static int fake_open(int64_t deadline_ms, void **ret, struct heal_error *error)
{
	int r = fake_result(fake_offered, "open", error);

	assert_true(deadline_ms > 0);
	fake_record(fake_offered, "open", NULL);
	if (r == 0)
		*ret = fake_offered;
	return r;
}

static int fake_is_stopping(void *handle, bool *ret, struct heal_error *error)
{
	struct fake_service *fake = handle;
	int r = fake_result(fake, "is_stopping", error);

	fake_record(fake, "is_stopping", NULL);
	if (r == 0)
		*ret = fake->is_stopping;
	return r;
}

static int fake_unit_of(void *handle, pid_t pid, struct heal_unit *ret, struct heal_error *error)
{
	struct fake_service *fake = handle;
	char number[16];
	int r = fake_result(fake, "unit_of", error);

	(void)snprintf(number, sizeof(number), "%d", (int)pid);
	fake_record(fake, "unit_of", number);
	if (r < 0)
		return r;
	if (!fake->unit.id)
		return heal_error_set(error, ENOENT, "process %d belongs to no unit", (int)pid);
	*ret = fake->unit;
	ret->id = strdup(fake->unit.id);
	return 0;
}

/* Asked again and again: not recorded. */
static int fake_main_pid(void *handle, const char *unit, pid_t *ret, struct heal_error *error)
{
	const struct fake_service *fake = handle;
	int r = fake_result(fake, "main_pid", error);

	assert_true(test_same(unit, fake->unit.id) || test_same(unit, HEAL_RESCUE_UNIT));
	if (r == 0 && test_same(unit, HEAL_RESCUE_UNIT) && !fake->rescue_pid)
		return heal_error_set(error, ENOENT, "it is not loaded");
	if (r == 0)
		*ret = test_same(unit, HEAL_RESCUE_UNIT) ? fake->rescue_pid : fake->main_pid;
	return r;
}

/* Asked of every plan to restart: not recorded. */
static int fake_foresee(void *handle, const char *unit, struct heal_error *error)
{
	const struct fake_service *fake = handle;

	assert_string_equal(unit, fake->unit.id);
	return fake_result(fake, "foresee", error);
}

/* The unit's own state, and whether the rescue runs; nothing is known of any other. */
static int fake_state_of(void *handle, const char *unit, struct heal_unit_state *ret,
			 struct heal_error *error)
{
	const struct fake_service *fake = handle;
	int r = fake_result(fake, "state_of", error);

	*ret = (struct heal_unit_state){.is_at_rest = true};
	if (test_same(unit, HEAL_RESCUE_UNIT))
		ret->is_at_rest = fake->rescue_pid == 0;
	else if (test_same(unit, fake->unit.id))
		*ret = fake->state;
	return r;
}

static int fake_socket_of(void *handle, const char *unit, struct heal_socket_unit *ret,
			  struct heal_error *error)
{
	const struct fake_service *fake = handle;
	int r = fake_result(fake, "socket_of", error);

	if (r < 0 || !fake->socket || strcmp(unit, "ssh.socket") != 0)
		return r;
	ret->accepts = fake->accepts;
	ret->service = strdup(fake->unit.id);
	return heal_words_add(&ret->addresses, fake->socket, strlen(fake->socket)) < 0 ? -ENOMEM : 1;
}

static int fake_ssh_units(void *handle, struct heal_words *ret, struct heal_error *error)
{
	const struct fake_service *fake = handle;
	int r = fake_result(fake, "ssh_units", error);

	return r < 0 || !fake->ssh_unit ? r : heal_words_add(ret, fake->ssh_unit, strlen(fake->ssh_unit));
}

static int fake_is_confined(void *handle, const char *unit, bool *ret, struct heal_error *error)
{
	const struct fake_service *fake = handle;

	assert_string_equal(unit, fake->unit.id);
	*ret = fake->is_confined;
	return fake_result(fake, "is_confined", error);
}

static int fake_job(struct fake_service *fake, const char *call, const char *unit,
		    int64_t deadline_ms, void (*action)(struct fake_service *fake),
		    struct heal_error *error)
{
	fake_record(fake, call, unit);
	fake->job_deadline_ms = deadline_ms;
	if (action)
		action(fake);
	return fake_result(fake, call, error);
}

static int fake_run_job(void *handle, enum heal_job job, const char *unit, int64_t deadline_ms,
			struct heal_error *error)
{
	struct fake_service *fake = handle;

	switch (job) {
	case HEAL_JOB_RELOAD:
		return fake_job(fake, "reload", unit, deadline_ms, fake->on_reload, error);
	case HEAL_JOB_TRY_RESTART:
		return fake_job(fake, "restart", unit, deadline_ms, fake->on_restart, error);
	case HEAL_JOB_START:
		return fake_job(fake, "start", unit, deadline_ms, fake->on_start, error);
	case HEAL_JOB_TAKE_OVER:
		fake->rescue_pid = 0;
		return fake_job(fake, "take over", unit, deadline_ms, fake->on_start, error);
	}
	return -EINVAL;
}

static int fake_start_rescue(void *handle, const struct heal_rescue *rescue, int64_t deadline_ms,
			     struct heal_error *error)
{
	struct fake_service *fake = handle;

	assert_string_equal(rescue->unit, fake->unit.id);
	for (size_t i = 0; i < rescue->argv->count; i++)
		fake_record(fake, i ? "with" : "rescue", rescue->argv->items[i]);
	return fake_job(fake, "in", rescue->directory, deadline_ms, fake->on_rescue, error);
}

static int fake_reset_failed(void *handle, const char *unit, struct heal_error *error)
{
	fake_record(handle, "reset_failed", unit);
	return fake_result(handle, "reset_failed", error);
}

static int fake_exec_start(void *handle, const char *unit, struct heal_exec *ret,
			   struct heal_error *error)
{
	const struct fake_service *fake = handle;
	int r = fake_result(fake, "exec_start", error);

	assert_string_equal(unit, fake->unit.id);
	if (r == 0)
		ret->path = strdup(fake->exec_path);
	if (r == 0)
		r = words_split(fake->exec_start, &ret->command);
	if (r == 0 && fake->environment)
		r = words_split(fake->environment, &ret->environment);
	if (r == 0 && fake->environment_files)
		r = words_split(fake->environment_files, &ret->files);
	if (r == 0 && fake->runtime)
		r = words_split(fake->runtime, &ret->runtime);
	if (r == 0)
		ret->directory = strdup(fake->directory ? fake->directory : "");
	return r;
}

static void fake_close(void *handle)
{
	fake_record(handle, "close", NULL);
}

static const struct service_ops fake_service_ops = {
	.open = fake_open,
	.is_stopping = fake_is_stopping,
	.unit_of = fake_unit_of,
	.main_pid = fake_main_pid,
	.exec_start = fake_exec_start,
	.foresee = fake_foresee,
	.state_of = fake_state_of,
	.is_confined = fake_is_confined,
	.socket_of = fake_socket_of,
	.ssh_units = fake_ssh_units,
	.run_job = fake_run_job,
	.start_rescue = fake_start_rescue,
	.reset_failed = fake_reset_failed,
	.close = fake_close,
};

struct heal_unit fake_unit(pid_t main_pid)
{
	return (struct heal_unit){
		.id = (char *)"ssh.service",
		.main_pid = main_pid,
		.is_service = true,
		.can_reload = true,
	};
}

void fake_service_fails(struct fake_service *fake, const char *call, int code)
{
	fake->failing = call;
	fake->code = code;
}

void fake_becomes_fresh(struct fake_service *fake)
{
	tree_set_maps(fake->tree, PID, TREE_MAPS_FRESH);
}

void fake_ends(struct fake_service *fake)
{
	tree_end(fake->tree, PID);
	tree_end(fake->tree, NEW_PID);
	fake->main_pid = 0;
}

void fake_service_use(struct heal_context *ctx, struct fake_service *fake)
{
	ctx->service_ops = &fake_service_ops;
	ctx->service = fake;
}

void fake_service_offer(struct heal_context *ctx, struct fake_service *fake)
{
	fake_offered = fake;
	ctx->service_ops = &fake_service_ops;
	ctx->service = NULL;
}

static void fake_copy(const struct heal_package *from, struct heal_package *ret)
{
	ret->name = strdup(from->name);
	ret->source = from->source ? strdup(from->source) : NULL;
	ret->version = from->version ? strdup(from->version) : NULL;
	ret->arch = from->arch ? strdup(from->arch) : NULL;
}

static int fake_owners(void *handle, const char *const *paths, size_t n,
		       struct heal_package *owners, struct heal_error *error)
{
	struct fake_packages *fake = handle;

	fake->n_owners_calls++;
	for (size_t i = 0; i < n; i++)
		for (const struct fake_owner *owner = fake->owners; owner && owner->path; owner++)
			if (strcmp(owner->path, paths[i]) == 0)
				fake_copy(&owner->package, &owners[i]);
	if (test_same(fake->failing, "owners"))
		return heal_error_set(error, EIO, "owners did not work");
	return 0;
}

static void fake_packages_close(void *handle)
{
	(void)handle;
}

static const struct package_ops fake_package_ops = {
	.owners = fake_owners,
	.close = fake_packages_close,
};

void fake_packages_use(struct heal_context *ctx, struct fake_packages *fake)
{
	ctx->package_ops = &fake_package_ops;
	ctx->package = fake;
}

/* What the next clients are told, one after the other; the last one stays. */
static const struct heal_hello *fake_hellos;
static size_t fake_n_hellos;

static void fake_meet(int fd, int timeout_ms, struct heal_hello *hello)
{
	assert_true(fd >= 0 && timeout_ms >= 0);
	*hello = *fake_hellos;
	if (fake_n_hellos > 1) {
		fake_n_hellos--;
		fake_hellos++;
	}
}

/* A key file is its key's name and nothing else. */
static int fake_name_key(const char *text, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s", text);
	return strstr(text, " SHA256:") ? 0 : -EBADMSG;
}

static const struct client_ops fake_client_ops = {.meet = fake_meet, .name_key = fake_name_key};

void fake_client_use(struct heal_context *ctx, const struct heal_hello *hellos, size_t n)
{
	fake_hellos = hellos;
	fake_n_hellos = n;
	ctx->client_ops = &fake_client_ops;
}

int fake_server(int *port)
{
	struct sockaddr_in name = {.sin_family = AF_INET,
				   .sin_port = htons((uint16_t)*port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(name);
	const int yes = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
	*port = ntohs(name.sin_port);
	return fd;
}
