# SPDX-License-Identifier: GPL-2.0-or-later
#
# make            builds into $(B): $(B)/sshd-heal and $(B)/modules/*.so
# make help       the other targets

VERSION := 0.1.0

PREFIX     ?= /usr/local
SBINDIR    ?= $(PREFIX)/sbin
LIBDIR     ?= $(PREFIX)/lib
MODULEDIR  ?= $(LIBDIR)/sshd-heal/modules
SYSCONFDIR ?= /etc
INSTALL    ?= install
PKG_CONFIG ?= pkg-config

B ?= build

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wformat=2 -Wundef -Wvla
HARDENING := -fstack-protector-strong -fstack-clash-protection -fPIC -fvisibility=hidden
LINK_HARDENING := -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed
# FORTIFY needs optimisation; the sanitizers bring checks of their own.
FORTIFY ?= -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2

OPTIMISE ?= -O2 -g
HEAL_CPPFLAGS = -D_GNU_SOURCE -Icore $(FORTIFY) $(CPPFLAGS)
HEAL_CFLAGS   = -std=gnu11 -Wstrict-prototypes -Wmissing-prototypes $(WARNINGS) $(HARDENING) $(OPTIMISE) $(SANITIZE) $(CFLAGS)
HEAL_CXXFLAGS = -std=c++17 $(WARNINGS) $(HARDENING) $(OPTIMISE) $(SANITIZE) $(CXXFLAGS)
HEAL_LDFLAGS  = $(LINK_HARDENING) $(SANITIZE) $(LDFLAGS)

CORE    := util maps socket listener session event config context package verdict act prove report run
OBJECTS := $(CORE:%=$(B)/obj/%.o)
LIBRARY := $(B)/libsshdheal.a

have = $(shell $(PKG_CONFIG) --exists $(1) && echo yes)
HAVE_APT  := $(call have,apt-pkg)
HAVE_DBUS := $(call have,dbus-1)
MODULES := $(if $(HAVE_APT),package-apt) $(if $(HAVE_DBUS),service-systemd)

.PHONY: all help install install-hooks-apt clean
all: $(B)/sshd-heal $(B)/install/sshd-heal modules

help:
	@sed -n 's/^#: //p' $(MAKEFILE_LIST)

#: make                    build the program and its modules
#: make demo               a real host, a real upgrade, watched from a client
#: make check              every test: units, then real hosts in containers
#: make deps               install what build and tests need
#: make install            DESTDIR= PREFIX=; then install-hooks-apt
#: make lint               clang, clang-tidy, gcc -fanalyzer, shellcheck
#: make check-asan         unit tests under ASan and UBSan
#: make check-valgrind     unit tests under valgrind
#: make fuzz               the parsers under libFuzzer, a minute each
#: make bench              what the hook costs when all is well

.PHONY: modules
modules: $(MODULES:%=$(B)/modules/%.so)
ifndef HAVE_APT
	@echo 'sshd-heal: libapt-pkg not found: the module package-apt is left out'
endif
ifndef HAVE_DBUS
	@echo 'sshd-heal: libdbus not found: the module service-systemd is left out'
endif

$(B)/obj/%.o: core/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(HEAL_CPPFLAGS) $(HEAL_CFLAGS) -MMD -MP -c $< -o $@

$(B)/obj/backends/service-systemd.o: HEAL_CPPFLAGS += $(shell $(PKG_CONFIG) --cflags dbus-1)
$(B)/obj/backends/%.o: core/backends/%.cc Makefile
	@mkdir -p $(@D)
	$(CXX) $(HEAL_CPPFLAGS) $(shell $(PKG_CONFIG) --cflags apt-pkg) $(HEAL_CXXFLAGS) -MMD -MP -c $< -o $@

$(LIBRARY): $(OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

# The program in the tree loads the modules beside it, the installed one those
# of its own prefix. Only main.c knows which.
$(B)/obj/main.o: HEAL_CPPFLAGS += -DHEAL_VERSION='"$(VERSION)"' -DHEAL_MODULE_DIR='"$(abspath $(B))/modules"'
$(B)/obj/main-install.o: HEAL_CPPFLAGS += -DHEAL_VERSION='"$(VERSION)"' -DHEAL_MODULE_DIR='"$(MODULEDIR)"'
$(B)/obj/main-install.o: core/main.c Makefile $(B)/moduledir
	@mkdir -p $(@D)
	$(CC) $(HEAL_CPPFLAGS) $(HEAL_CFLAGS) -MMD -MP -c $< -o $@

# Changes only when the directory does, so that `make install PREFIX=` relinks.
$(B)/moduledir: FORCE
	@mkdir -p $(@D)
	@echo '$(MODULEDIR)' | cmp -s - $@ || echo '$(MODULEDIR)' >$@
.PHONY: FORCE
FORCE:

$(B)/sshd-heal: $(B)/obj/main.o $(LIBRARY)
	$(CC) $(HEAL_CFLAGS) $(HEAL_LDFLAGS) -pie $^ -ldl -o $@
$(B)/install/sshd-heal: $(B)/obj/main-install.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(HEAL_CFLAGS) $(HEAL_LDFLAGS) -pie $^ -ldl -o $@

$(B)/modules/package-apt.so: $(B)/obj/backends/package-apt.o $(B)/obj/backends/apt_shim.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CXX) $(HEAL_CXXFLAGS) $(HEAL_LDFLAGS) -shared -Wl,--exclude-libs,ALL $^ $(shell $(PKG_CONFIG) --libs apt-pkg) -o $@
$(B)/modules/service-systemd.so: $(B)/obj/backends/service-systemd.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(HEAL_CFLAGS) $(HEAL_LDFLAGS) -shared -Wl,--exclude-libs,ALL $^ $(shell $(PKG_CONFIG) --libs dbus-1) -o $@

install: all
	$(INSTALL) -D -m 0755 $(B)/install/sshd-heal $(DESTDIR)$(SBINDIR)/sshd-heal
	$(INSTALL) -d $(DESTDIR)$(MODULEDIR)
	for module in $(MODULES); do \
		$(INSTALL) -m 0644 $(B)/modules/$$module.so $(DESTDIR)$(MODULEDIR)/ || exit 1; done

install-hooks-apt:
	$(INSTALL) -d $(DESTDIR)$(SYSCONFDIR)/apt/apt.conf.d
	sed 's|@SBINDIR@|$(SBINDIR)|g' hooks/apt/90sshd-heal.in >$(DESTDIR)$(SYSCONFDIR)/apt/apt.conf.d/90sshd-heal
	chmod 0644 $(DESTDIR)$(SYSCONFDIR)/apt/apt.conf.d/90sshd-heal

include tests/tests.mk

clean:
	rm -rf $(B)/obj $(B)/install $(B)/modules $(B)/tests $(B)/sshd-heal $(LIBRARY) $(B)/moduledir \
		$(B)/clang $(B)/asan

-include $(wildcard $(B)/obj/*.d $(B)/obj/backends/*.d $(B)/tests/obj/*.d)
