# Appended to musl's own configuration: mathematics is left out, because the
# agent has no floating point. A quarter of musl's files are that. What printf
# and strtod of musl itself refer to stays.
MATH_KEPT := __fpclassify% __signbit% copysign% fmod% frexp% scalbn%
MATH_KEPT := $(foreach f,$(MATH_KEPT),obj/src/math/$f obj/src/math/$(ARCH)/$f)
LIBC_OBJS := $(filter-out obj/src/complex/% obj/src/math/%,$(LIBC_OBJS)) \
	$(filter $(MATH_KEPT),$(LIBC_OBJS))

# Nothing for speed but what looks through text: a small agent, not a fast libc.
OPTIMIZE_GLOBS = string/*.c

# This start code also knows packed relocations.
obj/crt/rcrt1.o: $(VENDOR)/rcrt1.c $(srcdir)/ldso/dlstart.c $(GENH)
	$(CC_CMD) -I$(srcdir)
