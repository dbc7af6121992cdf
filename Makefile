# make            builds build/bbs-agent, one static binary
# make help       lists everything else
#
# What it is built from: src, and the three sources of vendor/lock, which
# vendor/fetch.sh gets and verifies. Nothing of the host's libc is used.
#
# CC=aarch64-linux-gnu-gcc builds for that target into build/aarch64-linux-gnu.
# V=1 shows the commands.

MAKEFLAGS += --no-builtin-rules --no-print-directory
# All processors, unless -j on the command line says otherwise.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 1)
endif
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
comma := ,

ifeq ($(origin CC),default)
CC := gcc
endif
# What a compiler or linker knows that not all of them do: without a complaint.
knows = $(if $(shell echo 'int x;' | $(CC) -x c $1 -o /dev/null - 2>&1 || \
	echo no),,$(firstword $1))
# Each of the others makes what gcc writes half a percent smaller.
SMALL := $(or $(call knows,-Oz -S),-Os) $(call knows,-fno-caller-saves -S) \
	$(call knows,-fno-move-loop-invariants -S)
# Small, but fast where the code runs once for every file of a backup.
CFLAGS ?= $(SMALL) -g
HOT_CFLAGS ?= -O2
HOT := base/buf job/borg job/borglog job/catalogline
Q := $(if $(V),,@)

# Each compiler's target has a directory of its own below build. What is built
# for this machine is left in build itself.
HOST := $(shell gcc -dumpmachine 2>/dev/null || cc -dumpmachine 2>/dev/null)
TARGET := $(shell $(CC) -dumpmachine 2>/dev/null)
arch_of = $(firstword $(subst -, ,$1)) $(lastword $(subst -, ,$1))
B := build/$(or $(TARGET),unknown)
OUT := build
ifneq ($(call arch_of,$(HOST)),$(call arch_of,$(TARGET)))
OUT := $B
endif
BIN := $(OUT)/bbs-agent

tool = $(or $(shell $(CC) -print-prog-name=$1 2>/dev/null),$1)
AR := $(call tool,ar)
RANLIB := $(call tool,ranlib)
OBJCOPY := $(call tool,objcopy)

# Said before anything starts; fetch.sh says itself what it misses. The other
# goals install what they need, or need none of this.
need = $(if $(shell command -v $1),,$(error $1 is missing; on Debian it is \
	in the package $2 (tests/setup.sh build installs what a build needs)))
BUILDS := all fetch unit e2e build/% lint-% dist-%
ifneq ($(filter $(BUILDS),$(or $(MAKECMDGOALS),all)),)
$(call need,$(firstword $(CC)),$(patsubst %-gcc,gcc-%,$(firstword $(CC))))
$(call need,$(AR),binutils)
$(call need,$(OBJCOPY),binutils)
$(call need,awk,mawk)
endif

# ---- third-party sources ----------------------------------------------------

version_of = $(shell awk '$$1 == "name" { n = $$2 } \
	n == "$1" && $$1 == "version" { print $$2 }' vendor/lock)
vendored = vendor/src/$1-$(call version_of,$1)

MUSL_SRC := $(call vendored,musl)
BEARSSL_SRC := $(call vendored,bearssl)
JSMN_SRC := $(call vendored,jsmn)
FETCHED := vendor/src/.complete

MUSL := $B/musl
KERNEL := $B/kernel
BEARSSL := $B/bearssl/libbearssl.a

# ---- flags ------------------------------------------------------------------

# For every object, also those of musl and BearSSL. Paths below this directory
# are recorded relative to it, so the place of the build leaves no trace.
SHARED_CFLAGS := -fPIE -ffunction-sections -fdata-sections \
	-fstack-protector-strong -fno-unwind-tables \
	-fno-asynchronous-unwind-tables -gno-record-gcc-switches \
	-ffile-prefix-map=$(CURDIR)=.
# x86 has the guard of the stack at 9 bytes an access; elsewhere it is a
# variable, and musl sets that in any case.
ifneq ($(filter x86_64% i%86%,$(TARGET)),)
SHARED_CFLAGS += -mstack-protector-guard=global
endif
# musl has no long double that differs from double there.
ifneq ($(filter powerpc64%,$(TARGET)),)
SHARED_CFLAGS += -mlong-double-64
endif
# Nothing is exported, and each call may know it.
SHARED_CFLAGS += -include $(CURDIR)/vendor/hidden.h
$(MUSL)/lib/libc.a: vendor/hidden.h

# musl's headers, then the compiler's own, then the kernel's; none of the host.
MUSL_CPPFLAGS := -nostdinc -isystem $(MUSL)/include \
	-isystem $(shell $(CC) -print-file-name=include 2>/dev/null) \
	-idirafter $(KERNEL)

WARNINGS := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wcast-qual -Wvla \
	-Werror
LANGUAGE := -std=c11 -D_GNU_SOURCE
INCLUDES := -Isrc -isystem $(BEARSSL_SRC)/inc -isystem $(JSMN_SRC)
AGENT_CFLAGS := $(LANGUAGE) $(WARNINGS) $(SHARED_CFLAGS) $(CFLAGS)
# clang warns of what musl's CMSG_NXTHDR expands to.
ifneq ($(findstring clang,$(CC)),)
AGENT_CFLAGS += -Wno-sign-compare
endif

# A static position-independent executable, written out because the -static-pie
# of some compilers asks for an interpreter. Packed relocations, where the
# linker has them, are for vendor/rcrt1.c.
AGENT_LDFLAGS := -static -nostdlib -Wl,-pie,--no-dynamic-linker,-z,text \
	-Wl,-z,relro,-z,now,-z,noexecstack -Wl,--gc-sections,--build-id=none \
	$(call knows,-Wl$(comma)-z$(comma)pack-relative-relocs -nostdlib -shared) \
	$(LDFLAGS)
# Others need more than the usual sections, or have pages of 64 KiB, for which
# there is nothing to gain.
ifneq ($(filter x86_64% i%86%,$(TARGET)),)
AGENT_LDFLAGS += -Wl,-T,src/layout.ld
endif
LIBGCC := $(shell $(CC) -print-libgcc-file-name 2>/dev/null)

SRCS := $(sort $(wildcard src/*.c src/*/*.c))
OBJS := $(SRCS:src/%.c=$B/agent/%.o)
$(HOT:%=$B/agent/%.o): private SPEED := $(HOT_CFLAGS)

# The keys that releases are signed with: RELEASE_KEY=FILE.pem (two files, or
# one with two keys, while a key is changed). Empty: a host that wants updates
# names a key in its config.ini.
RELEASE_KEY ?=
ifneq ($(strip $(RELEASE_KEY)),)
RELEASE_KEYS := $(shell cat $(RELEASE_KEY) | tr -d '\r\n')
$(if $(findstring BEGIN PUBLIC KEY,$(RELEASE_KEYS)),,$(error \
	RELEASE_KEY: no public key in PEM is in "$(RELEASE_KEY)"))
$(if $(findstring PRIVATE,$(RELEASE_KEYS)),$(error \
	RELEASE_KEY: a private key is in "$(RELEASE_KEY)"))
$B/agent/bbs/release.o: private AGENT_CFLAGS += \
	-DRELEASE_KEYS='"$(RELEASE_KEYS)"'
endif

# ---- the binary -------------------------------------------------------------

.PHONY: all
all: $(BIN)

# One link; then what a debugger needs goes beside the stripped binary.
$(BIN): $(OBJS) $(BEARSSL) $(MUSL)/lib/libc.a src/layout.ld $(OUT)/.link
	@echo "  LD    $@"
	$Q$(CC) $(CFLAGS) $(AGENT_LDFLAGS) -o $B/bbs-agent.full \
		$(MUSL)/lib/rcrt1.o $(MUSL)/lib/crti.o $(OBJS) $(BEARSSL) \
		-Wl,--start-group $(MUSL)/lib/libc.a $(LIBGCC) -Wl,--end-group \
		$(MUSL)/lib/crtn.o
	$Q$(OBJCOPY) --only-keep-debug $B/bbs-agent.full $@.debug
	$Q$(OBJCOPY) --strip-all --remove-section=.comment \
		--add-gnu-debuglink=$@.debug $B/bbs-agent.full $@

$B/agent/%.o: src/%.c $(OUT)/.flags | $(MUSL)/lib/libc.a $(KERNEL)
	@echo "  CC    $<"
	@mkdir -p $(@D)
	$Q$(CC) $(AGENT_CFLAGS) $(SPEED) $(MUSL_CPPFLAGS) $(INCLUDES) \
		-MMD -MP -c -o $@ $<

-include $(OBJS:.o=.d)

# These change when the compiler, a flag or the list of objects does, and what
# depends on them is made anew then.
$(OUT)/.flags: TEXT = $(CC) $(AGENT_CFLAGS) / $(HOT): $(HOT_CFLAGS) \
	$(RELEASE_KEYS)
$(OUT)/.link: TEXT = $(CC) $(AGENT_LDFLAGS) $(OBJS)
$B/.flags-vendor: TEXT = $(CC) $(SMALL) $(SHARED_CFLAGS)
.PHONY: force
$(OUT)/.flags $(OUT)/.link $B/.flags-vendor: force
	@mkdir -p $(@D)
	@echo '$(TEXT)' | cmp -s - $@ || echo '$(TEXT)' >$@

# ---- musl, BearSSL, jsmn ----------------------------------------------------

.PHONY: fetch
fetch: $(FETCHED)

$(FETCHED): vendor/lock vendor/fetch.sh
	$Qvendor/fetch.sh

$(KERNEL): vendor/kernel-headers.sh
	$Qvendor/kernel-headers.sh $@ $(CC)

$(MUSL)/lib/libc.a: $(FETCHED) vendor/musl-subset.mk vendor/rcrt1.c \
		$B/.flags-vendor | $(KERNEL)
	@echo "  MUSL  $(MUSL) (once; a minute)"
	$Qrm -rf $(MUSL) $B/musl-build
	$Qmkdir -p $B/musl-build
	$Qcd $B/musl-build && { \
		CC='$(CC)' AR='$(AR)' RANLIB='$(RANLIB)' \
		CFLAGS='$(SHARED_CFLAGS) $(SMALL) -g1' $(CURDIR)/$(MUSL_SRC)/configure \
			--target=$(TARGET) --prefix=$(CURDIR)/$(MUSL) \
			--syslibdir=$(CURDIR)/$(MUSL)/lib \
			--disable-shared --disable-gcc-wrapper && \
		cat $(CURDIR)/vendor/musl-subset.mk >>config.mak && \
		$(MAKE) VENDOR=$(CURDIR)/vendor install-libs install-headers; \
	} >log 2>&1 || { tail -n 20 log >&2; exit 1; }

# Optimised for size, as upstream does it.
$(BEARSSL): $(MUSL)/lib/libc.a vendor/bearssl.mk
	@echo "  BEARSSL $(@D)"
	$Qrm -rf $(@D)
	$Q$(MAKE) -f vendor/bearssl.mk SRC=$(BEARSSL_SRC) DIR=$(@D) \
		CC='$(CC)' AR='$(AR)' \
		CFLAGS='$(SMALL) -g $(SHARED_CFLAGS) $(MUSL_CPPFLAGS)'

# ---- everything else --------------------------------------------------------

include tests/tests.mk
include dist/dist.mk

.PHONY: clean distclean help
clean:
	rm -rf build

distclean: clean
	rm -rf vendor/src vendor/cache

help:
	@sed -n 's/^#: //p' $(MAKEFILE_LIST)

#: make               build/bbs-agent, and build/bbs-agent.debug for a debugger
#: make CC=…-gcc      the same for another machine, below build/<target>
#: make RELEASE_KEY=F  the same, with the public key(s) of releases built in
#: make fetch         only get and verify the third-party source
#: make clean         remove build
#: make distclean     remove build and the third-party source
