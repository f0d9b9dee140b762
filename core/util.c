/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors, notes, safe text, whole-file reads, time. */
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <time.h>

#include "internal.h"

void heal_safe(char *dst, size_t size, const char *src)
{
	static const char hex[] = "0123456789abcdef";
	size_t used = 0;

	if (size == 0)
		return;
	for (; *src; src++) {
		unsigned char c = (unsigned char)*src;
		bool is_plain = c >= 0x20 && c < 0x7f && c != '\\';

		if (used + (is_plain ? 1 : 4) >= size)
			break;
		if (is_plain) {
			dst[used++] = (char)c;
			continue;
		}
		dst[used++] = '\\';
		dst[used++] = 'x';
		dst[used++] = hex[c >> 4];
		dst[used++] = hex[c & 15];
	}
	dst[used] = '\0';
}

void heal_error_fill(struct heal_error *error, int code, const char *fmt, ...)
{
	char raw[sizeof(error->message)];
	va_list args;

	if (!error)
		return;
	va_start(args, fmt);
	if (vsnprintf(raw, sizeof(raw), fmt, args) < 0)
		raw[0] = '\0';
	va_end(args);
	error->code = code;
	heal_safe(error->message, sizeof(error->message), raw);
}

void heal_append(char *dst, size_t size, const char *fmt, ...)
{
	size_t used = strnlen(dst, size);
	char raw[1024];
	va_list args;

	if (used + 1 >= size)
		return;
	va_start(args, fmt);
	if (vsnprintf(raw, sizeof(raw), fmt, args) < 0)
		raw[0] = '\0';
	va_end(args);
	heal_safe(dst + used, size - used, raw);
}

void heal_detail(struct heal_listener *listener, const char *fmt, ...)
{
	char raw[1024];
	va_list args;

	va_start(args, fmt);
	if (vsnprintf(raw, sizeof(raw), fmt, args) < 0)
		raw[0] = '\0';
	va_end(args);
	heal_safe(listener->detail, sizeof(listener->detail), raw);
}

void *heal_grown(void *items, size_t count, size_t size)
{
	if (count && (count & (count - 1)))
		return items;
	return reallocarray(items, count ? count * 2 : 1, size);
}

int heal_notes_add(struct heal_notes *notes, const char *fmt, ...)
{
	char raw[1024];
	char safe[1024];
	char *line;
	va_list args;

	va_start(args, fmt);
	if (vsnprintf(raw, sizeof(raw), fmt, args) < 0)
		raw[0] = '\0';
	va_end(args);
	heal_safe(safe, sizeof(safe), raw);
	line = strdup(safe);
	if (!line)
		return -ENOMEM;
	if (heal_grow(&notes->lines, notes->count, sizeof(*notes->lines)) < 0) {
		free(line);
		return -ENOMEM;
	}
	notes->lines[notes->count++] = line;
	return 0;
}

void heal_notes_done(struct heal_notes *notes)
{
	for (size_t i = 0; i < notes->count; i++)
		free(notes->lines[i]);
	free(notes->lines);
	*notes = (struct heal_notes){0};
}

int heal_read_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd =
		openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	_cleanup_free_ char *buf = NULL;
	struct stat st;
	size_t len = 0;
	size_t room = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	/* A recorded tree may hold anything; a FIFO would be waited for. */
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	for (;;) {
		ssize_t n;

		if (len + 1 >= room) {
			char *grown;

			if (len > max)
				return -EFBIG;
			room = room ? room * 2 : 4096;
			grown = realloc(buf, room);
			if (!grown)
				return -ENOMEM;
			buf = grown;
		}
		n = read(fd, buf + len, room - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len > max)
		return -EFBIG;
	buf[len] = '\0';
	*ret = heal_take(buf);
	*ret_len = len;
	return 0;
}

int heal_readlink_at(int dirfd, const char *path, char **ret)
{
	char buf[PATH_MAX];
	ssize_t n = readlinkat(dirfd, path, buf, sizeof(buf));
	char *copy;

	if (n < 0)
		return -errno;
	if ((size_t)n == sizeof(buf))
		return -ENAMETOOLONG;
	copy = heal_strndup(buf, (size_t)n);
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

double heal_now_ms_exact(void)
{
	struct timespec now;

	/* Cannot fail for this clock and a valid pointer, clock_gettime(2). */
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int64_t heal_now_ms(void)
{
	return (int64_t)heal_now_ms_exact();
}

int heal_left_ms(int64_t deadline_ms, int cap)
{
	int64_t left = deadline_ms - heal_now_ms();

	if (left < 0)
		return 0;
	return left < cap ? (int)left : cap;
}

bool heal_has_time(int64_t deadline_ms)
{
	return heal_left_ms(deadline_ms, HEAL_BEGIN_MS) == HEAL_BEGIN_MS;
}

void heal_sleep_ms(int ms)
{
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000L};

	/* A signal that cuts it short only makes the caller look again sooner. */
	(void)nanosleep(&pause, NULL);
}

char *heal_strndup(const char *s, size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

const char *heal_next_line(const char **cursor, const char *end, size_t *len)
{
	const char *line = *cursor;
	const char *newline;

	if (line >= end)
		return NULL;
	newline = memchr(line, '\n', (size_t)(end - line));
	*len = (size_t)((newline ? newline : end) - line);
	*cursor = newline ? newline + 1 : end;
	return line;
}

void heal_package_done(struct heal_package *package)
{
	free(package->name);
	free(package->source);
	free(package->version);
	free(package->arch);
	*package = (struct heal_package){0};
}

void heal_packages_free(struct heal_package *packages, size_t count)
{
	for (size_t i = 0; packages && i < count; i++)
		heal_package_done(&packages[i]);
	free(packages);
}

const char *heal_canonical(const char *path, size_t *len, bool is_usr_merged)
{
	static const char *const merged[] = {"/lib/", "/lib64/", "/lib32/", "/libx32/", "/bin/", "/sbin/"};

	if (!is_usr_merged || *len < 5 || memcmp(path, "/usr/", 5) != 0)
		return path;
	for (size_t i = 0; i < ARRAY_SIZE(merged); i++) {
		size_t n = strlen(merged[i]);

		if (*len - 4 > n && memcmp(path + 4, merged[i], n) == 0) {
			*len -= 4;
			return path + 4;
		}
	}
	return path;
}
