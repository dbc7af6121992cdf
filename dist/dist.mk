# A release: part of the Makefile above. What it is built for stands in
# dist/architectures; what comes out is described in dist/README.md.

#: make dist          a release in dist/bbs-agent, for every architecture. With
#:   SIGN_KEY=FILE      SHA256SUMS is signed (PEM, private, ECDSA P-256)
#:   RELEASE_KEY=FILE   what signatures are checked with is built in (PEM, public)
#:   BORG=FILE CA=FILE  these go into the bundles
#:   ARCHS="mips s390x" only these architectures
#: make test-arch     every architecture is built, and run by qemu
#: make test-arch-short  four of them
.PHONY: dist test-arch test-arch-short dist-checks
ARCHS := $(shell awk '/^[^\043]/ { print $$1 }' dist/architectures)
# This machine's, mostly; a 486; big-endian, 32 bits, no floating point; the most common one.
SHORT_ARCHS := x86_64 i686 mips aarch64
# Whose sandbox is attacked below a kernel of theirs (tests/arch/check.py).
WITH_SANDBOX := i686 mipsel
export SIGN_KEY RELEASE_KEY BORG CA

dist:
	@tests/setup.sh dist
	@dist/assemble --look $(ARCHS)
	@$(MAKE) -k dist-checks || :
	@dist/assemble $(ARCHS)

test-arch:
	@tests/setup.sh dist
	@dist/assemble --look $(ARCHS)
	@$(MAKE) dist-checks

test-arch-short:
	@$(MAKE) test-arch ARCHS='$(SHORT_ARCHS)'

# ---- what dist/build asks of the Makefile above -------------------------------

# MODE=: a flag for our own code, and not for BearSSL.
AGENT_CFLAGS += $(MODE)

# OWN_RUNTIME=1: for flags that the compiler's libgcc was not made with.
ifneq ($(OWN_RUNTIME),)
LIBGCC := $B/runtime.o
$(BIN): $(LIBGCC)
$(OUT)/.link: TEXT += $(LIBGCC)
$(LIBGCC): dist/runtime.c $(OUT)/.flags
	@mkdir -p $(@D)
	$Q$(CC) $(LANGUAGE) $(SHARED_CFLAGS) -Os -ffreestanding -c -o $@ $<
endif

# ---- the programs, and whether they work --------------------------------------

# Only what there is a compiler for; looked at for no other goal.
ifneq ($(filter dist-checks,$(MAKECMDGOALS)),)
BUILT := $(foreach a,$(ARCHS),$(shell dist/build --can $a && echo $a))
endif
dist-checks: $(BUILT:%=build/arch/%/checked)
	@for a in $(filter-out $(BUILT),$(ARCHS)); do \
		echo "  NO COMPILER for $$a (dist/architectures names its package)"; \
	done

build/arch/%/program: force | $(FETCHED)
	+$QALSO='$(if $(filter $*,$(WITH_SANDBOX)),sandboxcheck)' dist/build $*

# What the check says, or no such file.
build/arch/%/checked: build/arch/%/program $(wildcard tests/arch/*.py)
	@rm -f $@
	@$(PYTHON) tests/arch/check.py $* >$@.new 2>$(@D)/check.log || \
		{ tail -n 40 $(@D)/check.log; echo "dist: $* failed" >&2; exit 1; }
	@mv $@.new $@
	@echo "  CHECK $*: $$(cat $@)"

.PRECIOUS: build/arch/%/program build/arch/%/checked
