#!/bin/sh
# Builds the same source once more, in another directory and another
# environment, and compares it with build/bbs-agent byte for byte.
set -eu

cd "$(dirname "$0")/.."
copy=$(mktemp -d)/a/copy-of-the-source-in-a-much-longer-path
trap 'rm -rf "${copy%/a/*}"' EXIT
trap 'exit 1' HUP INT TERM

mkdir -p "$copy/tests" "$copy/vendor"
cp -R Makefile src dist "$copy"
cp tests/tests.mk "$copy/tests"
cp -R vendor/lock vendor/*.sh vendor/*.mk vendor/*.[ch] vendor/cache "$copy/vendor"

(
	umask 077
	export TZ=Pacific/Auckland LC_ALL=C
	unset MAKEFLAGS MAKELEVEL MFLAGS
	make -C "$copy" -j2
)

same=yes
for file in bbs-agent bbs-agent.debug; do
	sha256sum "build/$file" "$copy/build/$file"
	cmp "build/$file" "$copy/build/$file" || same=no
done
[ "$same" = yes ] || {
	echo "reproducible: the two builds differ" >&2
	exit 1
}
echo "reproducible: the two builds are identical"
