// SPDX-License-Identifier: GPL-2.0-or-later
#include "apt_shim.h"

#include <cerrno>
#include <cstdio>
#include <exception>
#include <string>

#include <apt-pkg/error.h>
#include <apt-pkg/fileutl.h>
#include <apt-pkg/tagfile.h>

namespace
{

// apt collects its errors on a stack of its own, and would print them later.
std::string drain_errors()
{
	std::string all;
	std::string one;

	while (!_error->empty()) {
		_error->PopMessage(one);
		if (!all.empty())
			all += "; ";
		all += one;
	}
	return all;
}

int fail(const char *path, const std::string &why, char *message, size_t size)
{
	(void)std::snprintf(message, size, "reading %s: %s", path,
		      why.empty() ? "not a dpkg status file" : why.c_str());
	return -EIO;
}

// "install ok installed": the third word is the state, dpkg(1).
bool has_files(const std::string &status)
{
	std::string state = status.substr(status.rfind(' ') + 1);

	return state != "not-installed" && state != "config-files";
}

int walk(int fd, const char *path, apt_shim_fn fn, void *user, char *message, size_t size)
{
	FileFd file;
	pkgTagSection section;
	int r = 0;

	if (!file.OpenDescriptor(fd, FileFd::ReadOnly, FileFd::None, false))
		return fail(path, drain_errors(), message, size);

	pkgTagFile tags(&file);
	while (r == 0 && tags.Step(section)) {
		std::string name = section.FindS("Package");
		// "openssl (3.0.1)" where the source has a version of its own.
		std::string source = section.FindS("Source");
		std::string version = section.FindS("Version");
		std::string arch = section.FindS("Architecture");

		source = source.substr(0, source.find(' '));
		if (name.empty() || version.empty() || !has_files(section.FindS("Status")))
			continue;
		struct apt_shim_package package = {
			name.c_str(),
			source.empty() ? name.c_str() : source.c_str(),
			version.c_str(),
			arch.c_str(),
		};
		r = fn(user, &package);
	}
	if (r == 0 && _error->PendingError())
		return fail(path, drain_errors(), message, size);
	return r;
}

} // namespace

extern "C" int apt_shim_walk(int fd, const char *path, apt_shim_fn fn, void *user, char *message,
			     size_t size)
{
	int r;

	try {
		// Whatever others left on the stack is not ours to report.
		drain_errors();
		r = walk(fd, path, fn, user, message, size);
		drain_errors();
	} catch (const std::exception &e) {
		(void)std::snprintf(message, size, "reading %s: %s", path, e.what());
		r = -EIO;
	} catch (...) {
		(void)std::snprintf(message, size, "reading %s: unknown error in libapt-pkg", path);
		r = -EIO;
	}
	return r;
}
