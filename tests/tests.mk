# SPDX-License-Identifier: GPL-2.0-or-later
# What `make check`, `make demo` and their like do.

UNIT_SOURCES := $(wildcard tests/unit/*.c)
UNIT_OBJECTS := $(UNIT_SOURCES:tests/unit/%.c=$(B)/tests/obj/%.o)

.PHONY: deps check check-unit check-system check-clang check-asan check-valgrind demo lint

deps:
	@sh tests/deps.sh

check: deps
	+$(MAKE) check-unit check-clang
	+$(MAKE) check-system

check-unit: all $(B)/tests/unit
	$(VALGRIND) $(B)/tests/unit

$(B)/tests/obj/%.o: tests/unit/%.c Makefile tests/tests.mk
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(HEAL_CPPFLAGS) $(HEAL_CFLAGS) -MMD -MP -c $< -o $@

$(B)/tests/unit: $(UNIT_OBJECTS) $(B)/obj/backends/package-apt.o $(B)/obj/backends/apt_shim.o $(LIBRARY)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(HEAL_CXXFLAGS) $(HEAL_LDFLAGS) -pie $^ -lcmocka -ldl -pthread $(shell $(PKG_CONFIG) --libs apt-pkg) -o $@

check-clang:
	+$(MAKE) all B=$(B)/clang CC=clang CXX=clang++

check-asan:
	+$(MAKE) check-unit B=$(B)/asan FORTIFY= OPTIMISE='-O1 -g' SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=all'

check-valgrind: deps
	+$(MAKE) check-unit VALGRIND='valgrind -q --error-exitcode=9 --leak-check=full --track-fds=yes'

check-system: all
	B=$(B) /usr/bin/python3 -m pytest -p no:cacheprovider -q -rs --durations=5 tests/system

demo: deps
	+$(MAKE) all
	B=$(B) /usr/bin/python3 tests/system/demo.py
