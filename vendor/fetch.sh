#!/bin/sh
# Gets the sources that vendor/lock names, checks each against its SHA-256 and
# unpacks it to vendor/src/<name>-<version>.
#
# An archive that lies in vendor/cache is taken from there, so a machine
# without a network builds from that directory alone. Otherwise it comes as a
# Debian source package through apt, whose own lists stay untouched (a private
# set is kept below vendor/cache/apt while this runs), or else from upstream.
# An archive with a wrong hash is never unpacked: everything stops.
set -eu
umask 022
LC_ALL=C
export LC_ALL

cd "$(dirname "$0")"
top=$PWD
lock=$top/lock
apt=$top/cache/apt
apt_state=unknown

say() {
	printf '%s\n' "vendor: $*" >&2
}

die() {
	say "$@"
	exit 1
}

have() {
	command -v "$1" >/dev/null 2>&1
}

# need TOOL PACKAGE
need() {
	have "$1" || die "$1 is missing; it is in the package $2"
}

clean_up() {
	rm -rf "$apt" "$top/cache/incoming" "$top"/src/.unpack.*
}

# field SOURCE KEY: the value of a one-word field of a block of the lock.
field() {
	awk -v name="$1" -v key="$2" '
		$1 == "name" { here = $2 == name }
		here && $1 == key { print $2 }' "$lock"
}

# archives SOURCE: its archive lines, as "SHA-256 file [address]".
archives() {
	awk -v name="$1" '
		$1 == "name" { here = $2 == name }
		here && $1 == "archive" { print $2, $3 ($4 ? " " $4 : "") }' "$lock"
}

hash_of() {
	sha256sum <"$1" | cut -d' ' -f1
}

# verify FILE SHA-256
verify() {
	got=$(hash_of "$1")
	[ "$got" = "$2" ] && return 0
	say "vendor/$1 is not the archive that vendor/lock names:"
	say "  expected SHA-256 $2"
	say "  found    SHA-256 $got"
	die "stopped; remove that file if it is only damaged"
}

# find_in DIRECTORY SOURCE: sets archive (a file name) and sum to the first
# accepted archive that is there.
find_in() {
	for pair in $(archives "$2" | awk '{ print $1 ":" $2 }'); do
		sum=${pair%%:*}
		archive=${pair#*:}
		[ -f "$1/$archive" ] && return 0
	done
	return 1
}

# The machine's own package sources, turned into sources of source packages.
# Hooks of the machine's apt are harmless here and are left as they are.
apt_prepare() {
	[ "$apt_state" = unknown ] || return 0
	apt_state=no
	have apt-get || return 0
	mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/archives/partial"
	for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -r "$list" ] || continue
		sed -n 's/^[[:space:]]*deb[[:space:]]/deb-src /p' "$list" \
			>"$apt/parts/$(basename "$list" .list).one.list"
	done
	for list in /etc/apt/sources.list.d/*.sources; do
		[ -r "$list" ] || continue
		sed 's/^Types:.*/Types: deb-src/' "$list" \
			>"$apt/parts/$(basename "$list")"
	done
	say "reading the lists of Debian's source packages"
	# Repositories without sources make this fail in part: what counts is
	# whether the package is found.
	apt_get update >"$apt/log" 2>&1 || :
	apt_state=yes
}

apt_get() {
	apt-get -q -o Dir::Etc::sourcelist=/dev/null \
		-o Dir::Etc::sourceparts="$apt/parts" \
		-o Dir::State::lists="$apt/lists" \
		-o Dir::Cache="$apt" -o Dir::Cache::archives="$apt/archives" \
		-o Acquire::Languages=none -o Acquire::Retries=2 \
		-o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 \
		"$@" </dev/null
}

# keep: moves the archive that came in into the cache, once it is verified.
keep() {
	verify "cache/incoming/$archive" "$sum"
	mv -f "cache/incoming/$archive" "cache/$archive"
}

from_apt() {
	apt_prepare
	[ "$apt_state" = yes ] || return 1
	say "getting $1 as a source package through apt"
	rm -rf cache/incoming
	mkdir -p cache/incoming
	package=$(field "$1" debian)
	# Only the original archive is wanted. Another release may have another
	# version of it: that file has another name and is left alone.
	(cd cache/incoming &&
		apt_get source --download-only --tar-only "$package") \
		>>"$apt/log" 2>&1 || :
	find_in cache/incoming "$1" || return 1
	keep
}

# download ADDRESS FILE
download() {
	if have curl; then
		curl -fsSL --proto '=https' --connect-timeout 30 \
			--retry 2 -o "$2" "$1"
	elif have wget; then
		wget -q -T 30 -t 3 -O "$2" "$1"
	else
		say "neither curl nor wget is there; each is in the package" \
			"of its name"
		return 1
	fi
}

from_upstream() {
	url=$(archives "$1" | awk 'NF == 3 { print $3; exit }')
	archive=$(archives "$1" | awk 'NF == 3 { print $2; exit }')
	sum=$(archives "$1" | awk 'NF == 3 { print $1; exit }')
	[ -n "$url" ] || return 1
	say "getting $1 from $url"
	rm -rf cache/incoming
	mkdir -p cache/incoming
	download "$url" "cache/incoming/$archive" || return 1
	keep
}

# unpack SOURCE: an unpacked tree carries the hash of its archive, and appears
# whole or not at all.
unpack() {
	dir=src/$1-$(field "$1" version)
	case $archive in
	*.xz) need xz xz-utils ;;
	*.gz) need gzip gzip ;;
	esac
	rm -rf "src/.unpack.$1"
	mkdir -p "src/.unpack.$1"
	tar -xf "cache/$archive" -C "src/.unpack.$1" --strip-components=1 \
		--no-same-owner || die "cannot unpack vendor/cache/$archive"
	printf '%s\n' "$sum" >"src/.unpack.$1/.sha256"
	rm -rf "$dir"
	mv "src/.unpack.$1" "$dir"
	say "$dir is ready (from $archive)"
}

is_ready() {
	stamp=src/$1-$(field "$1" version)/.sha256
	[ -f "$stamp" ] &&
		archives "$1" | grep -q "^$(cat "$stamp") "
}

fetch() {
	is_ready "$1" && return 0
	find_in cache "$1" || from_apt "$1" || from_upstream "$1" || {
		[ ! -s "$apt/log" ] || tail -n 5 "$apt/log" >&2
		say "$1 $(field "$1" version) cannot be had here;" \
			"put one of these into vendor/cache (SHA-256, name):"
		archives "$1" | sed 's/^/  /' >&2
		exit 1
	}
	verify "cache/$archive" "$sum"
	unpack "$1"
}

need awk mawk
need sed sed
need tar tar
need sha256sum coreutils

mkdir -p cache src
if have flock; then
	exec 9>cache/.lock
	flock 9
fi
trap clean_up EXIT
trap 'exit 1' HUP INT TERM
sources=$(awk '$1 == "name" { print $2 }' "$lock")
for source in $sources; do
	fetch "$source"
done
touch src/.complete
