/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of words, and texts split into them as systemd.service(5) does. */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/words.h"

#include "base/cleanup.h"
#include "base/text.h"

int heal_words_add(struct heal_words *words, const char *text, size_t len)
{
	char *copy;

	/* Room for the NULL at the end, too. */
	if (words->count % 8 == 0) {
		char **grown = reallocarray(words->items, words->count + 9, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		words->items = grown;
	}
	copy = heal_strndup(text, len);
	if (!copy)
		return -ENOMEM;
	words->items[words->count++] = copy;
	words->items[words->count] = NULL;
	return 0;
}

int heal_words_add_once(struct heal_words *words, const char *text, size_t len)
{
	for (size_t i = 0; i < words->count; i++)
		if (strlen(words->items[i]) == len && memcmp(words->items[i], text, len) == 0)
			return 1;
	return heal_words_add(words, text, len);
}

void heal_words_done(struct heal_words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->items[i]);
	free(words->items);
	*words = (struct heal_words){0};
}

bool heal_words_equal(const struct heal_words *a, const struct heal_words *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

int heal_words_copy(const struct heal_words *from, struct heal_words *to)
{
	for (size_t i = 0; i < from->count; i++)
		if (heal_words_add(to, from->items[i], strlen(from->items[i])) < 0)
			return -ENOMEM;
	return 0;
}

size_t words_unquote(const char *text, size_t len, bool stops_at_blank, char *out,
			   size_t *out_len)
{
	char quote = 0;
	size_t n = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		char c = text[i];

		if (quote ? c == quote : (c == '"' || c == '\'')) {
			quote = quote ? 0 : c;
			continue;
		}
		if (!quote && stops_at_blank && isspace((unsigned char)c))
			break;
		if (c == '\\' && i + 1 < len &&
		    (!quote || (quote == '"' && strchr("\"\\`$", text[i + 1]))))
			c = text[++i];
		out[n++] = c;
	}
	out[n] = '\0';
	*out_len = n;
	return i;
}

/* Splits at blanks outside of quotes, as systemd does with a $WORD of its own. */
int words_split(const char *text, struct heal_words *words)
{
	size_t len = strlen(text);
	_cleanup_free_ char *word = malloc(len + 1);

	if (!word)
		return -ENOMEM;
	for (size_t i = 0; i < len;) {
		size_t word_len;

		if (isspace((unsigned char)text[i])) {
			i++;
			continue;
		}
		i += words_unquote(text + i, len - i, true, word, &word_len);
		if (heal_words_add(words, word, word_len) < 0)
			return -ENOMEM;
	}
	return 0;
}

int words_split_nul(const char *buf, size_t len, struct heal_words *argv)
{
	const char *end = buf + len;

	for (const char *word = buf; word < end; word += strnlen(word, (size_t)(end - word)) + 1)
		if (heal_words_add(argv, word, strnlen(word, (size_t)(end - word))) < 0)
			return -ENOMEM;
	return 0;
}
