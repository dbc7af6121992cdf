#!/bin/sh
# Makes a directory that holds the kernel's headers and nothing else, as links
# to where the compiler finds them. musl does not bring them, and pointing the
# compiler at the host's whole /usr/include would let the host's libc leak in.
#
# kernel-headers.sh DIRECTORY COMPILER [FLAG...]
set -eu

out=$1
shift
# Whole or not at all: make takes a directory that is there for a good one.
rm -rf "$out" "$out.new"
mkdir -p "$out.new"

for part in linux asm asm-generic; do
	header=$part/types.h
	path=$(echo "#include <$header>" | "$@" -M -x c - 2>/dev/null |
		tr -s '[:space:]' '\n' | grep "/$header\$" | head -n 1) || :
	if [ -z "$path" ]; then
		echo "The kernel's <$header> is missing; on Debian it is in the" \
			"package linux-libc-dev (for a cross compiler in" \
			"linux-libc-dev-<architecture>-cross)." >&2
		exit 1
	fi
	ln -s "${path%/types.h}" "$out.new/$part"
done
mv "$out.new" "$out"
