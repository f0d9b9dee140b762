/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_event_ask_dnf5: one line out, one line in, and what may be wrong with it. */
#include "test.h"
#include "tree.h"

#ifndef TEST_MODULE_DIR
#error "TEST_MODULE_DIR comes from the Makefile"
#endif

/* As dnf 5.4 answers to an upgrade, an installation and a removal. */
#define PACKAGE(name, arch, evr, direction)                                               \
	"{ \"direction\": \"" direction "\", \"name\": \"" name "\", \"arch\": \"" arch   \
	"\", \"evr\": \"" evr "\" }"
#define REPLY(packages)                                                                   \
	"{ \"op\": \"reply\", \"requested_op\": \"get\", \"domain\": \"trans_packages\", " \
	"\"return\": { \"trans_packages\": [ " packages " ] }, \"status\": \"OK\" }\n"

/* Asks a dnf 5 that answers so; gives the changes, one after the other. */
static int ask(const struct tree *tree, const char *answer, bool is_open, int64_t patience_ms,
	       char **ret_request, char **ret_changes, struct heal_error *error)
{
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_(heal_event_done) struct heal_event event = {0};
	char request[512] = "";
	int answers[2];
	int requests[2];
	int r;

	free(ctx->module_dir);
	ctx->module_dir = strdup(TEST_MODULE_DIR);
	ctx->deadline_ms = heal_now_ms() + patience_ms;
	assert_int_equal(pipe(answers), 0);
	assert_int_equal(pipe(requests), 0);
	assert_int_equal(write(answers[1], answer, strlen(answer)), strlen(answer));
	if (!is_open)
		(void)close(answers[1]);
	r = heal_event_ask_dnf5(ctx, answers[0], requests[1], &event, error);
	(void)close(requests[1]);
	assert_true(read(requests[0], request, sizeof(request) - 1) > 0);
	*ret_request = strdup(request);
	*ret_changes = calloc(1, 512);
	for (size_t i = 0; i < event.count; i++)
		heal_append(*ret_changes, 512, "%s.%s %s %s; ", event.changes[i].package,
			    event.changes[i].arch,
			    event.changes[i].version_before ? event.changes[i].version_before : "-",
			    event.changes[i].version_now ? event.changes[i].version_now : "-");
	(void)close(answers[0]);
	if (is_open)
		(void)close(answers[1]);
	(void)close(requests[0]);
	return r;
}

HEAL_TEST(dnf5_tells_what_a_transaction_changed)
{
	/* Its pipe stays open: it waits for the next request. And what comes may be told first. */
	static const char answer[] =
		REPLY(PACKAGE("openssl-libs", "x86_64", "1:3.2.2-1", "IN") ","
		      PACKAGE("openssl-libs", "x86_64", "1:3.0.7-1", "OUT") ","
		      PACKAGE("new", "noarch", "1-1", "IN") ","
		      PACKAGE("gone", "x86_64", "2-1", "OUT"));
	_cleanup_free_ char *request = NULL;
	_cleanup_free_ char *changes = NULL;
	struct heal_error error = {0};

	assert_int_equal(ask(tree_new(), answer, true, 2000, &request, &changes, &error), 0);
	assert_string_equal(request, "{\"op\":\"get\",\"domain\":\"trans_packages\",\"args\":"
				     "{\"output\":[\"name\",\"arch\",\"evr\",\"direction\"]}}\n");
	assert_string_equal(changes, "openssl-libs.x86_64 1:3.0.7-1 1:3.2.2-1; "
				     "gone.x86_64 2-1 -; new.noarch - 1-1; ");
}

HEAL_TEST(dnf5_may_have_changed_nothing)
{
	_cleanup_free_ char *request = NULL;
	_cleanup_free_ char *changes = NULL;
	struct heal_error error = {0};

	assert_int_equal(ask(tree_new(), REPLY(""), true, 2000, &request, &changes, &error), 0);
	assert_string_equal(changes, "");
}

HEAL_TEST(dnf5_that_answers_anything_else_is_an_error)
{
	static const char *const answers[] = {
		"",
		"\n",
		"no JSON\n",
		"[]\n",
		"null\n",
		"{ \"status\": \"ERROR\", \"message\": \"Unknown op\" }\n",
		"{ \"return\": [] }\n",
		"{ \"return\": { \"trans_packages\": { } } }\n",
		REPLY("1"),
		REPLY("{ \"name\": \"a\", \"arch\": \"b\", \"evr\": \"c\" }"),
		REPLY("{ \"name\": 1, \"arch\": \"b\", \"evr\": \"c\", \"direction\": \"IN\" }"),
		"{ \"op\": \"reply\", \"return\": { \"trans_packages\": [ {",
	};
	const struct tree *tree = tree_new();

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		_cleanup_free_ char *request = NULL;
		_cleanup_free_ char *changes = NULL;
		struct heal_error error = {0};
		int r = ask(tree, answers[i], false, 2000, &request, &changes, &error);

		assert_row(r == -EPROTO && strstr(error.message, "asking dnf 5 for the packages"),
			   "%s: %d %s", answers[i], r, error.message);
	}
}

HEAL_TEST(dnf5_that_does_not_answer_is_given_up)
{
	_cleanup_free_ char *request = NULL;
	_cleanup_free_ char *changes = NULL;
	struct heal_error error = {0};
	int64_t start = heal_now_ms();

	assert_int_equal(ask(tree_new(), "{ \"op\":", true, 100, &request, &changes, &error), -ETIMEDOUT);
	assert_in_range(heal_now_ms() - start, 90, 1500);
}
