# SPDX-License-Identifier: GPL-2.0-or-later
# What `make check`, `make demo` and their like do.

# Without libapt-pkg there is no package-apt, and nothing of it to test.
HAS_APT := $(filter package-apt,$(MODULES))
# Nor without libdbus one of the service manager.
HAS_DBUS := $(filter service-systemd,$(MODULES))
DBUS_TESTS := $(addprefix tests/unit/,peer.c peer-answer.c test-bus.c test-job.c test-service.c)
UNIT_SOURCES := $(filter-out $(if $(HAS_APT),,tests/unit/test-apt.c tests/unit/test-roots.c) $(if $(HAS_DBUS),,$(DBUS_TESTS)), \
	$(wildcard tests/unit/*.c))
UNIT_MODULES := $(if $(HAS_APT),$(B)/obj/modules/package-apt.o $(B)/obj/modules/apt_shim.o) $(B)/obj/modules/rpm-name.o $(B)/obj/modules/rpm-reply.o \
	$(if $(HAS_DBUS),$(addprefix $(B)/obj/modules/,service-systemd.o systemd-bus.o systemd-foresee.o \
		systemd-job.o systemd-rescue.o systemd-socket.o))
UNIT_OBJECTS := $(UNIT_SOURCES:tests/unit/%.c=$(B)/tests/obj/%.o)

.PHONY: deps check check-unit check-system check-clang check-asan check-valgrind check-faults demo bench fuzz lint

# What runs as root leaves no caches beside its sources.
PYTHON := PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3

# deps.sh installs for `deps`, `check` and `demo`; for the other goals it but tells.
deps:
	@sh tests/deps.sh deps

check:
	@sh tests/deps.sh check
	+$(MAKE) check-unit check-clang check-faults
	+$(MAKE) check-system

check-unit: all $(B)/tests/unit
	$(VALGRIND) $(B)/tests/unit

$(DBUS_TESTS:tests/unit/%.c=$(B)/tests/obj/%.o): HEAL_CPPFLAGS += $(shell $(PKG_CONFIG) --cflags dbus-1)
$(B)/tests/obj/test-libssh.o $(B)/tests/obj/test-econf.o: HEAL_CPPFLAGS += \
	-DTEST_MODULE_DIR='"$(abspath $(B))/modules"' -DTEST_OTHER_DIR='"$(abspath $(B))/tests/other"'
# cmocka renames an assertion now and then, and deprecates the older name.
$(B)/tests/obj/%.o: tests/unit/%.c Makefile tests/tests.mk
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(HEAL_CPPFLAGS) $(HEAL_CFLAGS) -Wno-deprecated-declarations -MMD -MP -c $< -o $@

# A module that a later build of ours would bring.
$(B)/tests/obj/other-build.o: core/host/module.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(HEAL_CPPFLAGS) -DHEAL_BUILD='"another"' $(HEAL_CFLAGS) -MMD -MP -c $< -o $@
$(B)/tests/other/config-econf.so: $(B)/obj/modules/config-econf.o $(B)/tests/obj/other-build.o $(LIBRARY)
	@mkdir -p $(@D)
	$(Q)$(CC) $(OPTIMISE) $(SANITIZE) $(HEAL_LDFLAGS) -shared $^ $(shell $(PKG_CONFIG) --libs libeconf) -o $@

$(B)/tests/unit: $(UNIT_OBJECTS) $(UNIT_MODULES) $(LIBRARY) | $(B)/tests/other/config-econf.so
	$(call say,LINK,$@)
	$(Q)$(if $(HAS_APT),$(CXX),$(CC)) $(OPTIMISE) $(SANITIZE) $(HEAL_LDFLAGS) -pie $^ -lcmocka -ldl -pthread \
		$(if $(HAS_APT),$(shell $(PKG_CONFIG) --libs apt-pkg)) $(if $(HAS_DBUS),$(shell $(PKG_CONFIG) --libs dbus-1)) -o $@

# A run with each of its allocations failing, and with too few descriptors.
check-faults: all $(B)/tests/failing.so
	B=$(B) /usr/bin/python3 tests/faults/faults.py

$(B)/tests/failing.so: tests/faults/failing.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -std=gnu11 $(WARNINGS) -O2 -g -fPIC -shared $< -o $@

check-clang:
	+$(MAKE) all B=$(B)/clang CC=clang CXX=clang++

check-asan:
	$(call needs,check-asan)
	+$(MAKE) check-unit B=$(B)/asan FORTIFY= OPTIMISE='-O1 -g' SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=all'

check-valgrind:
	$(call needs,check-valgrind)
	+$(MAKE) check-unit VALGRIND='valgrind -q --error-exitcode=9 --leak-check=full --track-fds=yes'

check-system: all
	B=$(B) $(PYTHON) -m pytest -p no:cacheprovider -q -rs --durations=5 tests/system

demo:
	$(call needs-root,demo)
	@sh tests/deps.sh demo
	+$(MAKE) all
	B=$(B) $(PYTHON) tests/system/demo.py

bench:
	$(call needs-root,bench)$(call needs,bench)
	+$(MAKE) all
	B=$(B) $(PYTHON) tests/system/bench.py

# New inputs go to the build directory; what crashes is kept there for a seed.
FUZZ_SECONDS ?= 60
fuzz:
	$(call needs,fuzz)
	+$(MAKE) $(B)/fuzz/fuzz B=$(B) CC=clang CXX=clang++ FORTIFY= OPTIMISE='-O1 -g' \
		SANITIZE='-fsanitize=address,undefined,fuzzer-no-link'
	@mkdir -p $(B)/fuzz/found
	cd $(B)/fuzz && ./fuzz -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -print_final_stats=1 \
		found $(abspath tests/fuzz/corpus)

$(B)/fuzz/obj/%.o: core/%.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(HEAL_CPPFLAGS) $(HEAL_CFLAGS) -MMD -MP -c $< -o $@
$(B)/fuzz/obj/fuzz.o: tests/fuzz/fuzz.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(HEAL_CPPFLAGS) $(HEAL_CFLAGS) -MMD -MP -c $< -o $@
$(B)/fuzz/obj/modules/apt_shim.o: core/modules/apt_shim.cc Makefile
	@mkdir -p $(@D)
	$(Q)$(CXX) $(HEAL_CPPFLAGS) $(HEAL_CXXFLAGS) -c $< -o $@
$(B)/fuzz/fuzz: $(B)/fuzz/obj/fuzz.o $(CORE:%=$(B)/fuzz/obj/%.o) \
		$(B)/fuzz/obj/modules/package-apt.o $(B)/fuzz/obj/modules/apt_shim.o \
		$(B)/fuzz/obj/modules/rpm-name.o $(B)/fuzz/obj/modules/rpm-reply.o
	$(CXX) $(HEAL_CXXFLAGS) -fsanitize=fuzzer $(HEAL_LDFLAGS) $^ -lapt-pkg -ldl -pthread -o $@

# gcc's analyzer is for C; clang-tidy reads the C++ as well.
TIDY_FLAGS = $(HEAL_CPPFLAGS) -DHEAL_VERSION='""' -DHEAL_BUILD='""' -DHEAL_MODULE_DIR='""' \
	$(shell $(PKG_CONFIG) --cflags $(foreach m,$(ALL_MODULES),$(LIBRARY_$(m))))
# gcc 12 takes what is stored into a grown array for leaked; ASan and valgrind do not.
ANALYZER = -fanalyzer -Wno-analyzer-malloc-leak
lint:
	$(call needs,lint)
	/usr/bin/python3 tests/lint/includes.py
	+$(MAKE) check-clang
	+$(MAKE) all B=$(B)/analyzer CFLAGS='$(ANALYZER)'
	clang-tidy --quiet core/*.c core/*/*.c -- -std=gnu11 $(TIDY_FLAGS)
	clang-tidy --quiet core/modules/*.cc -- -std=c++17 $(TIDY_FLAGS)
	shellcheck tests/deps.sh tests/system/boot.sh tests/system/rpm/repo.sh .ci/run \
		packaging/deb/sshd-heal.postinst packaging/deb/sshd-heal.postrm packaging/deb/sshd-heal.prerm packaging/deb/tests/upgrade
