# Tests, demonstration, measurements and lint: part of the Makefile above.
#
# A command that a user types (test, demo, bench, lint) first installs what it
# needs, by tests/setup.sh, and then calls make again for the rest.

# Debian's own, whatever else is in PATH: its packages belong to it.
PYTHON := /usr/bin/python3

#: make test          everything that is tested: unit, then e2e
#: make demo          the whole cycle, shown on this machine alone
#: make bench         the table of measurements
.PHONY: test demo bench
test:
	tests/setup.sh test
	$(MAKE) all
	$(MAKE) unit
	$(MAKE) e2e

demo:
	@tests/setup.sh demo
	@$(MAKE) all
	@tests/demo

bench:
	tests/setup.sh bench
	$(MAKE) all
	tests/bench/run

# ---- unit tests -------------------------------------------------------------
# The same sources against the host's libc, with the sanitizers. Each test_*.c
# is a program; the other files beside them are linked to all.

UNIT := build/unit
UNIT_CC := gcc
UNIT_CFLAGS := $(LANGUAGE) $(WARNINGS) -O1 -g -fno-omit-frame-pointer \
	-fsanitize=address,undefined -fno-sanitize-recover=all
UNIT_SRCS := $(sort $(wildcard src/*/*.c))
UNIT_TESTS := $(sort $(wildcard tests/unit/test_*.c))
UNIT_SUPPORT := $(filter-out $(UNIT_TESTS),$(sort $(wildcard tests/unit/*.c)))
UNIT_LIB := $(UNIT)/libagent.a
UNIT_BEARSSL := $(UNIT)/bearssl/libbearssl.a
UNIT_PROGRAMS := $(UNIT_TESTS:tests/unit/%.c=$(UNIT)/%)
UNIT_OBJS := $(UNIT_SRCS:src/%.c=$(UNIT)/src/%.o)
UNIT_SUPPORT_OBJS := $(UNIT_SUPPORT:tests/unit/%.c=$(UNIT)/tests/%.o)

#: make unit          the unit tests, under ASan and UBSan
.PHONY: unit
unit: $(UNIT_PROGRAMS)
	@rm -f $(UNIT)/*.failed
	@printf '%s\n' $(UNIT_PROGRAMS) | xargs -P $$(nproc) -I{} sh -c \
		'{} >{}.log 2>&1 </dev/null || touch {}.failed'
	@for t in $(UNIT_PROGRAMS); do echo "== $$t"; cat $$t.log; done
	@for t in $(UNIT)/*.failed; do [ ! -e $$t ] || \
		{ echo "unit: failed:" $(UNIT)/*.failed; exit 1; }; done

$(UNIT_PROGRAMS): $(UNIT)/%: $(UNIT)/tests/%.o $(UNIT_SUPPORT_OBJS) \
		$(UNIT_LIB) $(UNIT_BEARSSL)
	@echo "  LD    $@"
	$Q$(UNIT_CC) $(UNIT_CFLAGS) -o $@ $^ -lcmocka

$(UNIT_LIB): $(UNIT_OBJS) $(UNIT)/.link
	@rm -f $@
	$Qar rcs $@ $(UNIT_OBJS)

$(UNIT)/src/%.o: src/%.c $(UNIT)/.flags | $(FETCHED)
	@echo "  CC    $@"
	@mkdir -p $(@D)
	$Q$(UNIT_CC) $(UNIT_CFLAGS) $(INCLUDES) -MMD -MP -c -o $@ $<

$(UNIT)/tests/%.o: tests/unit/%.c $(UNIT)/.flags | $(FETCHED)
	@echo "  CC    $@"
	@mkdir -p $(@D)
	$Q$(UNIT_CC) $(UNIT_CFLAGS) $(INCLUDES) -Itests/unit -MMD -MP -c -o $@ $<

# ---- programs for suites of cases -------------------------------------------
# build/tests/NAME: one part of the agent before cases of somebody else's, with
# the sanitizers. tests/e2e/test_suites.py runs them.

CHECKS := $(patsubst tests/check/%.c,build/tests/%,\
	$(sort $(wildcard tests/check/*.c)))
# Like the agent itself, with musl and without sanitizers: the system calls
# must be those of a release.
SANDBOXCHECK := $(if $(filter build,$(OUT)),build/tests,$(OUT))/sandboxcheck
SANDBOX_OBJS := $(filter-out %/agent/main.o,$(OBJS))
# The same, and the whole agent, with the filter of other architectures.
DENYCHECK := build/tests/sandboxcheck-deny
DENYAGENT := build/tests/bbs-agent-deny
DENY_OBJ := build/tests/seccomp-deny.o
WITH_DENY = $(filter-out %/net/sandbox_seccomp.o,$1) $(DENY_OBJ)
TEST_LINK = $(CC) $(CFLAGS) $(AGENT_LDFLAGS) -o $1 $(MUSL)/lib/rcrt1.o \
	$(MUSL)/lib/crti.o $2 $(BEARSSL) -Wl,--start-group \
	$(MUSL)/lib/libc.a $(LIBGCC) -Wl,--end-group $(MUSL)/lib/crtn.o

#: make checks        build/tests/x509check, jsoncheck, httpcheck, sandboxcheck
.PHONY: checks
checks: $(CHECKS) $(DENYCHECK) $(DENYAGENT)

$(SANDBOXCHECK): tests/check/sandboxcheck.c $(BIN)
	@echo "  LD    $@"
	@mkdir -p $(@D)
	$Q$(CC) $(AGENT_CFLAGS) $(MUSL_CPPFLAGS) $(INCLUDES) -c -o $@.o $<
	$Q$(call TEST_LINK,$@,$@.o $(SANDBOX_OBJS))

$(DENY_OBJ): src/net/sandbox_seccomp.c $(BIN)
	@mkdir -p $(@D)
	$Q$(CC) $(AGENT_CFLAGS) $(MUSL_CPPFLAGS) $(INCLUDES) \
		-DSANDBOX_DENY_LIST -c -o $@ $<

$(DENYCHECK): tests/check/sandboxcheck.c $(DENY_OBJ)
	@echo "  LD    $@"
	$Q$(CC) $(AGENT_CFLAGS) $(MUSL_CPPFLAGS) $(INCLUDES) \
		-DSANDBOX_DENY_LIST -c -o $@.o $<
	$Q$(call TEST_LINK,$@,$@.o $(call WITH_DENY,$(SANDBOX_OBJS)))

$(DENYAGENT): $(DENY_OBJ)
	@echo "  LD    $@"
	$Q$(call TEST_LINK,$@,$(call WITH_DENY,$(OBJS)))

$(filter-out $(SANDBOXCHECK),$(CHECKS)): build/tests/%: tests/check/%.c \
		$(UNIT_LIB) $(UNIT_BEARSSL)
	@echo "  LD    $@"
	@mkdir -p $(@D)
	$Q$(UNIT_CC) $(UNIT_CFLAGS) $(INCLUDES) -o $@ $< $(UNIT_LIB) $(UNIT_BEARSSL)

$(UNIT_BEARSSL): $(FETCHED) vendor/bearssl.mk
	@echo "  BEARSSL $(@D)"
	$Qrm -rf $(@D)
	$Q$(MAKE) -f vendor/bearssl.mk SRC=$(BEARSSL_SRC) DIR=$(@D) \
		CC=$(UNIT_CC) AR=ar CFLAGS='-O1 -g'

$(UNIT)/.flags: TEXT = $(UNIT_CC) $(UNIT_CFLAGS)
$(UNIT)/.link: TEXT = $(UNIT_OBJS)
$(UNIT)/.flags $(UNIT)/.link: force
	@mkdir -p $(@D)
	@echo '$(TEXT)' | cmp -s - $@ || echo '$(TEXT)' >$@

-include $(UNIT_OBJS:.o=.d) $(UNIT_SUPPORT_OBJS:.o=.d) \
	$(UNIT_PROGRAMS:$(UNIT)/%=$(UNIT)/tests/%.d)

# ---- fuzzers ----------------------------------------------------------------
# Each tests/fuzz/fuzz_*.c is a program with libFuzzer in it; the agent's own
# sources and BearSSL are compiled so that it sees which ways are taken.

FUZZ := build/fuzz
FUZZ_CC := clang
FUZZ_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_CFLAGS := $(LANGUAGE) $(WARNINGS) -O1 -g -fno-omit-frame-pointer \
	-fsanitize=fuzzer-no-link $(FUZZ_SANITIZE)
FUZZERS := $(patsubst tests/fuzz/%.c,$(FUZZ)/%,\
	$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_OBJS := $(UNIT_SRCS:src/%.c=$(FUZZ)/src/%.o)
FUZZ_BEARSSL := $(FUZZ)/bearssl/libbearssl.a
# What a recorded session needs to be the same each time.
FUZZ_WRAP := -Wl,--wrap=dial_host,--wrap=getrandom \
	-Wl,--wrap=br_prng_seeder_system
SECONDS ?= 60

#: make fuzz          each fuzzer for 60 s (SECONDS=5, RUNS=1000000, ONLY=tls)
.PHONY: fuzz
fuzz:
	tests/setup.sh fuzz
	$(MAKE) $(FUZZERS)
	tests/fuzz/run $(SECONDS) $(if $(ONLY),$(ONLY:%=$(FUZZ)/fuzz_%),$(FUZZERS))

$(FUZZERS): $(FUZZ)/%: tests/fuzz/%.c tests/fuzz/fuzz.c tests/fuzz/fuzz.h \
		$(FUZZ)/libagent.a $(FUZZ_BEARSSL)
	@echo "  LD    $@"
	$Q$(FUZZ_CC) $(FUZZ_CFLAGS) $(INCLUDES) -Itests/fuzz -fsanitize=fuzzer \
		$(if $(filter %_tls,$@),$(FUZZ_WRAP)) -o $@ $< \
		tests/fuzz/fuzz.c $(FUZZ)/libagent.a $(FUZZ_BEARSSL)

$(FUZZ)/libagent.a: $(FUZZ_OBJS)
	@rm -f $@
	$Qar rcs $@ $(FUZZ_OBJS)

$(FUZZ)/src/%.o: src/%.c | $(FETCHED)
	@echo "  CC    $@"
	@mkdir -p $(@D)
	$Q$(FUZZ_CC) $(FUZZ_CFLAGS) $(INCLUDES) -MMD -MP -c -o $@ $<

$(FUZZ_BEARSSL): $(FETCHED) vendor/bearssl.mk
	@echo "  BEARSSL $(@D)"
	$Qrm -rf $(@D)
	$Q$(MAKE) -f vendor/bearssl.mk SRC=$(BEARSSL_SRC) DIR=$(@D) \
		CC=$(FUZZ_CC) AR=ar CFLAGS='-O1 -g -fsanitize=fuzzer-no-link,address'

-include $(FUZZ_OBJS:.o=.d)

# ---- the clock under test ----------------------------------------------------
# build/tests/bbs-agent-clock: the release's own objects, linked once more with
# clocks that a test sets (tests/clock/seam.c).

CLOCK := build/tests/bbs-agent-clock
POWER := build/tests/bbs-agent-power
CLOCK_WRAPS := -Wl,--wrap=clock_gettime,--wrap=time,--wrap=poll \
	-Wl,--wrap=timerfd_settime

$(CLOCK): tests/clock/seam.c $(BIN)
	@echo "  LD    $@"
	@mkdir -p $(@D)
	$Q$(CC) $(AGENT_CFLAGS) $(MUSL_CPPFLAGS) -c -o build/tests/seam.o $<
	$Q$(CC) $(CFLAGS) $(AGENT_LDFLAGS) $(CLOCK_WRAPS) -o $@ \
		$(MUSL)/lib/rcrt1.o $(MUSL)/lib/crti.o $(OBJS) \
		build/tests/seam.o $(BEARSSL) -Wl,--start-group \
		$(MUSL)/lib/libc.a $(LIBGCC) -Wl,--end-group $(MUSL)/lib/crtn.o

# ---- versions that do not work -------------------------------------------------
# build/tests/bbs-agent-crash, -hang: the release's own objects, linked once more
# with what makes them so after the trial (tests/support/fatal.c).

FATAL := build/tests/bbs-agent-crash build/tests/bbs-agent-hang

$(FATAL): build/tests/bbs-agent-%: tests/support/fatal.c $(BIN)
	@echo "  LD    $@"
	@mkdir -p $(@D)
	$Q$(CC) $(AGENT_CFLAGS) $(MUSL_CPPFLAGS) $(INCLUDES) \
		-D$(shell echo $* | tr a-z A-Z) -c -o $@.o $<
	$Q$(CC) $(CFLAGS) $(AGENT_LDFLAGS) -Wl,--strip-all \
		-Wl,--wrap=notify_send,--wrap=alarm -o $@ \
		$(MUSL)/lib/rcrt1.o $(MUSL)/lib/crti.o $(OBJS) $@.o $(BEARSSL) \
		-Wl,--start-group $(MUSL)/lib/libc.a $(LIBGCC) -Wl,--end-group \
		$(MUSL)/lib/crtn.o

# ---- end to end -------------------------------------------------------------

#: make e2e           the real binary against real borg, sshd, nginx
#: make reproducible  build once more elsewhere and compare byte for byte
#: make test-hosts    install on booted hosts (root; the first time slower)
#: make test-slow     what waits for real time limits: a minute
.PHONY: e2e reproducible test-hosts test-slow
e2e: $(BIN) $(CHECKS) $(DENYCHECK) $(DENYAGENT) $(CLOCK) $(POWER) $(FATAL)
	$(PYTHON) tests/e2e/run

test-hosts:
	tests/setup.sh hosts
	$(MAKE) all $(FATAL)
	$(PYTHON) tests/hosts/run
	$(MAKE) test-arch

test-slow: $(BIN)
	BBS_TEST_SLOW=1 $(PYTHON) -m pytest -q tests/e2e/test_stuck.py

reproducible:
	tests/setup.sh build
	$(MAKE) all
	tests/reproducible.sh

# ---- soak --------------------------------------------------------------------
# Kills and faults at random, from a seed (tests/soak).

SOAK := $(if $(SHORT),--short) $(MINUTES:%=--minutes %) $(SEED:%=--seed %) \
	$(ROUND:%=--round %)

#: make soak          killed 200 times at random, and 10,000 polls among faults
#:                    (half an hour; SHORT=1, MINUTES=5, SEED=1)
.PHONY: soak
soak:
	tests/setup.sh soak
	$(MAKE) all $(CLOCK) $(POWER)
	tests/soak/run $(SOAK)

# The release's own objects once more; what it syncs is kept (soak/power.c).
$(POWER): tests/soak/power.c $(BIN)
	@echo "  LD    $@"
	@mkdir -p $(@D)
	$Q$(CC) $(AGENT_CFLAGS) $(MUSL_CPPFLAGS) -c -o build/tests/power.o $<
	$Q$(CC) $(CFLAGS) $(AGENT_LDFLAGS) -Wl,--wrap=fsync,--wrap=fdatasync \
		-o $@ $(MUSL)/lib/rcrt1.o $(MUSL)/lib/crti.o $(OBJS) \
		build/tests/power.o $(BEARSSL) -Wl,--start-group \
		$(MUSL)/lib/libc.a $(LIBGCC) -Wl,--end-group $(MUSL)/lib/crtn.o

# ---- lint -------------------------------------------------------------------

C_FILES := $(sort $(wildcard src/*.[ch] src/*/*.[ch] tests/*/*.[ch] \
	dist/*.c vendor/*.[ch]))
SCRIPTS = $(shell find .ci tests vendor/*.sh dist install.sh -type f -exec \
	awk 'FNR == 1 && /^\043!.*[\/ ](ba|da)?sh/ { print FILENAME }' {} +)
LINT_CFLAGS := $(LANGUAGE) $(WARNINGS) $(INCLUDES)

#: make lint          format, warnings, static analysis, the rules of the house
#: make format        apply the format
.PHONY: lint format lint-format lint-warnings lint-tidy lint-cppcheck \
	lint-shell lint-rules lint-words
lint:
	tests/setup.sh lint
	$(MAKE) -k --output-sync=target lint-format lint-warnings lint-tidy \
		lint-cppcheck lint-shell lint-rules lint-words
	@echo "lint: all clean"

lint-format:
	clang-format --dry-run -Werror $(C_FILES)

# gcc against musl (the build itself), clang against the host's libc.
lint-warnings: all
	clang $(LINT_CFLAGS) -fsyntax-only $(SRCS)

lint-tidy: $(FETCHED)
	@printf '%s\n' $(SRCS) | xargs -I{} -P $$(nproc) \
		tests/lint/tidy {} -- $(LINT_CFLAGS)

# No process of the agent has threads, so readdir and getpwnam are right.
lint-cppcheck:
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 \
		--library=posix --enable=warning,performance,portability \
		--suppress=missingIncludeSystem --suppress=readdirCalled --suppress=getpwnamCalled \
		-D_GNU_SOURCE -Isrc src

lint-shell:
	shellcheck $(SCRIPTS)

lint-rules:
	$(PYTHON) tests/lint/rules.py

# The manual page, and what shells read. Which other pages are installed here
# does not matter.
lint-words:
	@mandoc -Tlint dist/bbs-agent.8 2>/dev/null | \
		{ ! grep -v 'referenced manual not found'; }
	shellcheck -s bash dist/bbs-agent.bash
	zsh -n dist/bbs-agent.zsh
	fish -n dist/bbs-agent.fish

format:
	clang-format -i $(C_FILES)
