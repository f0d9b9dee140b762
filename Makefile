# SPDX-License-Identifier: GPL-2.0-or-later
#
# make            builds into $(B): $(B)/sshd-heal and $(B)/modules/*.so
# make help       the other targets

# Where rpmbuild has to find it as it stands.
VERSION := $(shell sed -n 's/^Version:[[:blank:]]*//p' packaging/rpm/sshd-heal.spec)

# A program and its modules are of one build, or do not go together.
BUILD_ID := $(VERSION)-$(shell cat $(sort $(wildcard core/*.[ch] core/*/*.[ch] core/*/*.cc)) | sha256sum | cut -c -16)

PREFIX     ?= /usr/local
SBINDIR    ?= $(PREFIX)/sbin
LIBDIR     ?= $(PREFIX)/lib
MODULEDIR  ?= $(LIBDIR)/sshd-heal/modules
SYSCONFDIR ?= /etc
UNITDIR    ?= $(PREFIX)/lib/systemd/system
# Where the Python of dnf 4 looks for plugins.
DNFPLUGINDIR ?= $(PREFIX)/lib/python3/dist-packages/dnf-plugins
INSTALL    ?= install
PKG_CONFIG ?= pkg-config

B ?= build

# Root at work in another's tree (`sudo make`): a make below this one does it, and what
# root has made in there goes to the tree's owner, however that ends. The roots do not:
# who owns what inside of them is part of what they are.
OWNER := $(if $(HANDED)$(filter-out $(CURDIR)/%,$(abspath $(B))),,$(shell \
	[ "$$(id -u)" -ne 0 ] || [ "$$(stat -c %u .)" -eq 0 ] || stat -c %u:%g .))
GOALS := $(or $(MAKECMDGOALS),all)
ifneq ($(OWNER),)
.PHONY: $(GOALS) handed
$(GOALS): handed ;@:
handed:
	@trap : HUP INT TERM; $(MAKE) --no-print-directory HANDED=yes $(GOALS); status=$$?; \
	[ ! -d $(B) ] || find -H $(B) \( -path $(B)/roots -o -path $(B)/run \) -prune -o \
		-user 0 -exec chown -h $(OWNER) {} +; exit $$status
else

# V=1 shows the commands.
Q   = $(if $(V),,@)
say = @$(if $(V),:,printf '  %-4s %s\n' $(1) $(2))

# For who works on it and for the checks; elsewhere a compiler to come may have words of its own.
WERROR   ?= $(if $(wildcard .git)$(filter check% lint,$(GOALS)),-Werror)
export WERROR
WARNINGS := -Wall -Wextra -Wshadow -Wformat=2 -Wundef -Wvla
HARDENING := -fstack-protector-strong -fstack-clash-protection -fPIC -fvisibility=hidden
LINK_HARDENING := -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed
# FORTIFY needs optimisation; the sanitizers bring checks of their own.
FORTIFY ?= -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2

OPTIMISE ?= -O2 -g
HEAL_CPPFLAGS = -D_GNU_SOURCE -Icore $(FORTIFY) $(CPPFLAGS)
HEAL_CFLAGS   = -std=gnu11 -Wstrict-prototypes -Wmissing-prototypes $(WARNINGS) $(WERROR) $(HARDENING) $(OPTIMISE) $(SANITIZE) $(CFLAGS)
HEAL_CXXFLAGS = -std=c++17 $(WARNINGS) $(WERROR) $(HARDENING) $(OPTIMISE) $(SANITIZE) $(CXXFLAGS)
HEAL_LDFLAGS  = $(LINK_HARDENING) $(SANITIZE) $(LDFLAGS)

ROOMS   := base host judge look try causes act tell
CORE    := $(patsubst core/%.c,%,$(wildcard core/*.c $(ROOMS:%=core/%/*.c)) $(addprefix core/cli/,cli.c hook.c run.c))
OBJECTS := $(CORE:%=$(B)/obj/%.o)
LIBRARY := $(B)/libsshdheal.a

found = $(shell command -v $(firstword $(1)) 2>/dev/null)
HAS_PKG_CONFIG := $(call found,$(PKG_CONFIG))
have = $(if $(HAS_PKG_CONFIG),$(shell $(PKG_CONFIG) --exists $(1) && echo yes))
# Each module, the pkg-config name of its library, and what people call it.
LIBRARY_package-apt     := apt-pkg
LIBRARY_package-rpm     := rpm
LIBRARY_service-systemd := dbus-1
LIBRARY_client-libssh   := libssh
LIBRARY_config-econf    := libeconf
LIBRARY_report-json     := json-c
ALL_MODULES := package-apt package-rpm service-systemd client-libssh config-econf report-json
MODULES := $(foreach m,$(ALL_MODULES),$(if $(call have,$(LIBRARY_$(m))),$(m)))

# What compiles says in one line what it lacks, before it begins. The other goals compile
# nothing, or leave that to a make below this one, and see to the tools first.
TOOLLESS := help clean dist deps demo check check-asan check-valgrind bench fuzz lint deb deb-source rpm \
	rpm-here rpm-in-root install-hooks-% install-units
ifneq ($(filter-out $(TOOLLESS),$(GOALS)),)
absent = $(if $(call found,$($(1))),,$(firstword $($(1))))
# Whether there is any C++ to compile is for pkg-config to say.
HAS_CXX := $(if $(HAS_PKG_CONFIG),$(filter package-apt,$(MODULES)),unknown)
ABSENT := $(strip $(call absent,CC) $(if $(HAS_CXX),$(call absent,CXX)) $(call absent,PKG_CONFIG))
PACKAGES := $(sort $(patsubst clang++,clang,$(patsubst cc,gcc,$(ABSENT))))
$(if $(ABSENT),$(error not found: $(ABSENT). Install $(PACKAGES), or let `make deps` do it))
endif

.PHONY: all help install install-hooks-apt install-hooks-dnf install-hooks-yum install-units rpm deb clean
all: $(B)/sshd-heal $(B)/install/sshd-heal modules

help:
	@sed -n 's/^#: //p' $(MAKEFILE_LIST)

#: make                    build the program and its modules
#: make demo               a real host, a real upgrade, watched from a client
#: make check              every test: units, then real hosts in containers
#: make deps               install what build and tests need
#: make install            DESTDIR= PREFIX=; then install-units, install-hooks-apt, -dnf or -yum
#: make uninstall          all of that, with the same DESTDIR and PREFIX
#: make rpm                build/rpm/*.rpm, by rpmbuild
#: make deb                build/deb/*.deb, by dpkg-buildpackage
#: make lint               clang, clang-tidy, gcc -fanalyzer, shellcheck
#: make check-asan         unit tests under ASan and UBSan
#: make check-valgrind     unit tests under valgrind
#: make fuzz               the parsers under libFuzzer, a minute each
#: make bench              what the hook costs when all is well

.PHONY: modules
modules: $(MODULES:%=$(B)/modules/%.so)
	@$(foreach m,$(filter-out $(MODULES),$(ALL_MODULES)),echo 'sshd-heal: $(LIBRARY_$(m)) not found: the module $(m) is left out';)

$(B)/obj/%.o: core/%.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(HEAL_CPPFLAGS) $(HEAL_CFLAGS) -MMD -MP -c $< -o $@

$(B)/obj/modules/%.o: core/modules/%.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(HEAL_CPPFLAGS) $(if $(LIBRARY_$*),$(shell $(PKG_CONFIG) --cflags $(LIBRARY_$*))) $(HEAL_CFLAGS) -MMD -MP -c $< -o $@
$(B)/obj/modules/%.o: core/modules/%.cc Makefile
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(CXX) $(HEAL_CPPFLAGS) $(shell $(PKG_CONFIG) --cflags apt-pkg) $(HEAL_CXXFLAGS) -MMD -MP -c $< -o $@

.SECONDARY:
$(LIBRARY): $(OBJECTS)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# The program in the tree loads the modules beside it, the installed one those
# of its own prefix. Only main.c knows which.
$(B)/obj/cli/main.o: HEAL_CPPFLAGS += -DHEAL_VERSION='"$(VERSION)"' -DHEAL_MODULE_DIR='"$(abspath $(B))/modules"'
$(B)/obj/cli/main-install.o: HEAL_CPPFLAGS += -DHEAL_VERSION='"$(VERSION)"' -DHEAL_MODULE_DIR='"$(MODULEDIR)"'
$(B)/obj/cli/main-install.o: core/cli/main.c Makefile $(B)/moduledir
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(HEAL_CPPFLAGS) $(HEAL_CFLAGS) -MMD -MP -c $< -o $@

$(B)/obj/host/module.o $(B)/fuzz/obj/host/module.o: HEAL_CPPFLAGS += -DHEAL_BUILD='"$(BUILD_ID)"'
$(B)/obj/host/module.o: $(B)/build-id

# Change only when what is in them does, so that `make install PREFIX=` relinks.
$(B)/moduledir: CONTENT = $(MODULEDIR)
$(B)/build-id: CONTENT = $(BUILD_ID)
$(B)/moduledir $(B)/build-id: FORCE
	@mkdir -p $(@D)
	@echo '$(CONTENT)' | cmp -s - $@ || echo '$(CONTENT)' >$@
.PHONY: FORCE
FORCE:

$(B)/sshd-heal: $(B)/obj/cli/main.o $(LIBRARY)
	$(call say,LINK,$@)
	$(Q)$(CC) $(HEAL_CFLAGS) $(HEAL_LDFLAGS) -pie $^ -ldl -pthread -o $@
$(B)/install/sshd-heal: $(B)/obj/cli/main-install.o $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(HEAL_CFLAGS) $(HEAL_LDFLAGS) -pie $^ -ldl -pthread -o $@

# Only package-apt has C++ in it, and so is linked by the C++ compiler.
$(B)/modules/package-apt.so: $(B)/obj/modules/apt_shim.o
$(B)/modules/service-systemd.so: $(B)/obj/modules/systemd-bus.o $(addprefix $(B)/obj/modules/,systemd-foresee.o systemd-job.o systemd-rescue.o systemd-socket.o)
LIBRARY_systemd-bus := dbus-1
LIBRARY_systemd-foresee := dbus-1
LIBRARY_systemd-job := dbus-1
LIBRARY_systemd-rescue := dbus-1
LIBRARY_systemd-socket := dbus-1
$(B)/modules/package-rpm.so: $(B)/obj/modules/rpm-name.o $(B)/obj/modules/rpm-query.o $(B)/obj/modules/rpm-reply.o
LIBRARY_rpm-query := rpm
$(B)/modules/package-apt.so: LINK = $(CXX)
LINK = $(CC)
$(B)/modules/%.so: $(B)/obj/modules/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(LINK) $(HARDENING) $(OPTIMISE) $(SANITIZE) $(HEAL_LDFLAGS) -shared -Wl,--exclude-libs,ALL \
		$(filter %.o,$^) $(LIBRARY) $(shell $(PKG_CONFIG) --libs $(LIBRARY_$*)) -o $@

MANDIR     ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions

install: all
	$(INSTALL) -D -m 0755 $(B)/install/sshd-heal $(DESTDIR)$(SBINDIR)/sshd-heal
	$(INSTALL) -d $(DESTDIR)$(MODULEDIR)
	for module in $(MODULES); do \
		$(INSTALL) -m 0755 $(B)/modules/$$module.so $(DESTDIR)$(MODULEDIR)/ || exit 1; done
	$(INSTALL) -D -m 0644 docs/sshd-heal.8 $(DESTDIR)$(MANDIR)/man8/sshd-heal.8
	$(INSTALL) -D -m 0644 docs/sshd-heal.conf.5 $(DESTDIR)$(MANDIR)/man5/sshd-heal.conf.5
	$(INSTALL) -D -m 0644 docs/sshd-heal.bash $(DESTDIR)$(COMPLETIONDIR)/sshd-heal

# $(call install-hook,MODE,SOURCE,TARGET): a hook that is told where sshd-heal is.
define install-hook
	$(INSTALL) -d $(DESTDIR)$(dir $(3))
	sed 's|@SBINDIR@|$(SBINDIR)|g' $(2) >$(DESTDIR)$(3)
	chmod $(1) $(DESTDIR)$(3)
endef

install-hooks-apt: install-units
	$(call install-hook,0644,hooks/apt/90sshd-heal.in,$(SYSCONFDIR)/apt/apt.conf.d/90sshd-heal)
	$(call install-hook,0644,hooks/needrestart/sshd-heal.conf.in,$(SYSCONFDIR)/needrestart/conf.d/sshd-heal.conf)

install-hooks-dnf: install-units
	$(call install-hook,0644,hooks/dnf4/sshd_heal.py.in,$(DNFPLUGINDIR)/sshd_heal.py)
	$(call install-hook,0644,hooks/dnf5/sshd-heal.actions.in,$(SYSCONFDIR)/dnf/libdnf5-plugins/actions.d/sshd-heal.actions)

install-hooks-yum: install-units
	$(call install-hook,0644,hooks/yum/sshd-heal.py.in,$(PREFIX)/lib/yum-plugins/sshd-heal.py)
	$(INSTALL) -D -m 0644 hooks/yum/sshd-heal.conf $(DESTDIR)$(SYSCONFDIR)/yum/pluginconf.d/sshd-heal.conf

# What acts: the hooks only ask it.
install-units:
	$(call install-hook,0644,hooks/systemd/sshd-heal.service.in,$(UNITDIR)/sshd-heal.service)
	$(INSTALL) -m 0644 hooks/systemd/sshd-heal.path hooks/systemd/sshd-heal.timer $(DESTDIR)$(UNITDIR)

# All that the targets above have laid down; what an administrator wrote stays.
.PHONY: uninstall
uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/sshd-heal $(ALL_MODULES:%=$(DESTDIR)$(MODULEDIR)/%.so) \
		$(DESTDIR)$(MANDIR)/man8/sshd-heal.8 $(DESTDIR)$(MANDIR)/man5/sshd-heal.conf.5 \
		$(DESTDIR)$(COMPLETIONDIR)/sshd-heal \
		$(DESTDIR)$(SYSCONFDIR)/apt/apt.conf.d/90sshd-heal $(DESTDIR)$(SYSCONFDIR)/needrestart/conf.d/sshd-heal.conf \
		$(DESTDIR)$(DNFPLUGINDIR)/sshd_heal.py \
		$(DESTDIR)$(SYSCONFDIR)/dnf/libdnf5-plugins/actions.d/sshd-heal.actions \
		$(DESTDIR)$(PREFIX)/lib/yum-plugins/sshd-heal.py $(DESTDIR)$(SYSCONFDIR)/yum/pluginconf.d/sshd-heal.conf \
		$(addprefix $(DESTDIR)$(UNITDIR)/sshd-heal,.service .path .timer)
	-rmdir $(DESTDIR)$(MODULEDIR) $(DESTDIR)$(LIBDIR)/sshd-heal 2>/dev/null

# What else a goal needs and this machine lacks, said in one line; and who may do it.
lacks = $(shell sh tests/deps.sh $(1))
needs = $(if $(call lacks,$(1)),$(error $(call lacks,$(1))))
needs-root = $(if $(filter-out 0,$(shell id -u)),$(error make $(1) needs root: sudo make $(1)))

# A host whose distribution is not made of rpms lacks its macros; such a root has them.
.PHONY: rpm-here rpm-in-root
rpm: $(if $(shell rpm -E '%{?_unitdir}' 2>/dev/null),rpm-here,rpm-in-root)
rpm-in-root:
	$(call needs-root,rpm)$(call needs,rpm)
	B=$(B) $(PYTHON) tests/system/make_rpm.py

# Where rpm has no database of its own, nothing can tell it what is installed.
RPM_TOP = $(abspath $(B))/rpmbuild
rpm-here: dist
	$(if $(call found,rpmbuild),,$(error make rpm needs rpmbuild: install rpm-build))
	@rm -rf $(RPM_TOP) $(B)/rpm && mkdir -p $(RPM_TOP)/SOURCES $(B)/rpm
	cp $(DIST_TAR) $(RPM_TOP)/SOURCES/
	env -u B -u MAKEFLAGS -u MAKELEVEL rpmbuild -ba --quiet --define '_topdir $(RPM_TOP)' \
		$(shell rpm -q --quiet rpm 2>/dev/null || echo --nodeps) $(DIST_TREE)/packaging/rpm/sshd-heal.spec
	find $(RPM_TOP)/RPMS $(RPM_TOP)/SRPMS -name '*.rpm' -exec cp {} $(B)/rpm/ \;

# What git has of the tree. An unpacked release has no git, and a tree with changes that
# are not committed is tried with them: both are packed as they are.
DIST = .ci .clang-tidy .gitignore core docs hooks packaging tests CONTRIBUTING.md INSTALL LICENSE Makefile NEWS README.md
DIST_NAME = sshd-heal-$(VERSION)
DIST_TREE = $(abspath $(B))/dist/$(DIST_NAME)
DIST_TAR = $(abspath $(B))/$(DIST_NAME).tar.gz
GIT = GIT_OPTIONAL_LOCKS=0 git -c safe.directory='*'
IS_COMMITTED = $(if $(wildcard .git),$(shell $(GIT) diff --quiet HEAD 2>/dev/null && echo yes))
# The same bytes whoever packs them, and when: all dates are the changelog's, unless that
# is in the future here, where make would take the clock for skewed.
DIST_DATE = $(shell date=$$(date -d "$$(sed -n 's/^ -- .*>  //p' packaging/deb/changelog | head -n 1)" +%s) && \
	now=$$(date +%s) && echo $$((date < now ? date : now)))
PACK = tar --sort=name --owner=0 --group=0 --numeric-owner --mode=go=rX,u+w \
	--mtime=@$(or $(DIST_DATE),$(error no date in packaging/deb/changelog))
.PHONY: dist
dist:
	@rm -rf $(dir $(DIST_TREE)) && mkdir -p $(DIST_TREE)
	$(if $(IS_COMMITTED),$(GIT) archive HEAD,tar -c --exclude=__pycache__ $(DIST)) | tar -x -C $(DIST_TREE)
	$(PACK) -czf $(DIST_TAR) -C $(dir $(DIST_TREE)) $(DIST_NAME)

# dpkg-buildpackage wants the sources and its own directory side by side.
DEB_TOP = $(abspath $(B))/debbuild
deb:
	$(call needs,deb)
	+$(MAKE) deb-source
	cd $(DEB_TOP)/$(DIST_NAME) && env -u MAKEFLAGS -u MAKELEVEL dpkg-buildpackage -us -uc
	find $(DEB_TOP) -maxdepth 1 -type f -exec mv {} $(B)/deb/ \;

.PHONY: deb-source
deb-source: dist
	@rm -rf $(DEB_TOP) $(B)/deb && mkdir -p $(DEB_TOP) $(B)/deb
	cp $(DIST_TAR) $(DEB_TOP)/sshd-heal_$(VERSION).orig.tar.gz
	tar -xzf $(DIST_TAR) -C $(DEB_TOP)
	cp -Rp $(DEB_TOP)/$(DIST_NAME)/packaging/deb $(DEB_TOP)/$(DIST_NAME)/debian

include tests/tests.mk

# All but the roots and the package lists they are made from, which take a while; a root
# is root's, and goes with `sudo rm -r build`.
MADE := obj install modules tests sshd-heal libsshdheal.a moduledir build-id clang asan analyzer \
	fuzz/obj fuzz/fuzz bench stage suites dist $(DIST_NAME).tar.gz deb debbuild rpm rpmbuild
clean:
	rm -rf $(MADE:%=$(B)/%)

-include $(wildcard $(B)/obj/*.d $(B)/obj/*/*.d $(B)/tests/obj/*.d)
endif
