#!/bin/sh
# Installs bbs-agent, the client of Borg Backup Server, on Linux.
#
#   curl -fsSL https://backup.example.com/bbs-agent/install.sh |
#       sudo sh -s -- --server https://backup.example.com --key KEY
#
# It finds the program for this machine (beside itself, in --from, or on the
# server), compares its SHA-256 sum, and hands over to "bbs-agent install",
# which does everything else. All of it stands in functions, and the last
# line calls the first one: a download that was cut runs nothing.

# What the release is signed with (PEM, ECDSA P-256; while keys change, both):
# make dist RELEASE_KEY=FILE puts it here.
PUBLIC_KEY=''

usage() {
	cat <<'END'
usage: install.sh [--from DIR-or-URL] [--sha256 SUM] OPTIONS OF bbs-agent install
       install.sh --uninstall [--purge]
       install.sh --version | --help

  --server URL   the backup server; the program is fetched from
                 URL/bbs-agent/ unless it lies beside this script
  --key KEY      the client's API key; better: --key-file FILE, or the
                 environment's BBS_AGENT_KEY
  --from WHERE   take the program from this directory or address
  --sha256 SUM   of the program, in place of the file SHA256SUMS
  --ca-file FILE, --proxy URL, --insecure
                 hold for the download, too
  --uninstall    take the agent away (--purge: configuration and keys, too)
  --version      the version of the program that would be installed

All other options are those of "bbs-agent install": see bbs-agent help install.
END
}

die() {
	echo "install.sh: $*" >&2
	exit 1
}

has() {
	command -v "$1" >/dev/null 2>&1
}

# Byte number $2 (from 0) of file $1 when it is 1 or 2, as a digit.
byte() {
	dd if="$1" bs=1 skip="$2" count=1 2>/dev/null | tr '\001\002' '12'
}

# A program of this host whose ELF head tells byte order and ABI.
sample() {
	for path in /proc/self/exe /bin/sh /bin/busybox; do
		if [ -r "$path" ]; then
			echo "$path"
			return
		fi
	done
}

# Hardware floating point on 32-bit ARM needs ARMv7 and VFP.
arm_kind() {
	case $1 in
	armv7* | armv8* | aarch64)
		if grep -qiE '^features.*(vfp|neon|asimd)' /proc/cpuinfo 2>/dev/null; then
			echo armv7hf
			return
		fi
		;;
	esac
	echo armv5
}

# The name of this machine's program: of the kernel, but 32 bits where the
# host's own programs have 32.
architecture() {
	machine=$(uname -m)
	elf=$(sample)
	class=0 order=0
	if [ -n "$elf" ]; then
		class=$(byte "$elf" 4)
		order=$(byte "$elf" 5)
	fi
	case $machine in
	x86_64 | amd64)
		if [ "$class" = 1 ]; then echo i686; else echo x86_64; fi ;;
	i?86) echo i686 ;;
	aarch64 | arm64)
		if [ "$class" = 1 ]; then arm_kind "$machine"; else echo aarch64; fi ;;
	arm*b | armeb*) die "big-endian ARM ($machine) has no program" ;;
	arm*) arm_kind "$machine" ;;
	mips64*)
		[ "$class" = 1 ] || die "64-bit MIPS ($machine) has no program"
		if [ "$order" = 2 ]; then echo mips; else echo mipsel; fi ;;
	mipsel*) echo mipsel ;;
	mips*)
		if [ "$order" = 1 ]; then echo mipsel; else echo mips; fi ;;
	riscv64 | ppc64le | s390x) echo "$machine" ;;
	*) die "there is no program for this machine ($machine)" ;;
	esac
}

# Is the wget that is here another one than busybox's? That one checks
# certificates only by openssl, which takes the CA from the environment.
is_full_wget() {
	has wget && ! wget --help 2>&1 | grep -qi busybox
}

# fetch ADDRESS FILE, by curl, wget, or busybox's wget. A server that goes
# silent for a minute is given up.
fetch() {
	if has curl; then
		set -- -fsSL --connect-timeout 60 -y 60 -Y 1 -o "$2" "$1"
		[ -z "$ca_file" ] || set -- --cacert "$ca_file" "$@"
		[ -z "$proxy" ] || set -- --proxy "$proxy" "$@"
		[ -z "$insecure" ] || set -- -k "$@"
		curl "$@"
	elif has wget || has busybox; then
		if [ -n "$proxy" ]; then
			https_proxy=$proxy http_proxy=$proxy
			export https_proxy http_proxy
		fi
		set -- -q -O "$2" "$1"
		# GNU's tries 20 times.
		! has wget || ! wget --help 2>&1 | grep -q tries ||
			set -- -t 2 -T 60 "$@"
		if [ -n "$ca_file" ] && is_full_wget; then
			set -- --ca-certificate="$ca_file" "$@"
		elif [ -n "$ca_file" ]; then
			SSL_CERT_FILE=$ca_file
			export SSL_CERT_FILE
		fi
		[ -z "$insecure" ] || set -- --no-check-certificate "$@"
		if has wget; then wget "$@"; else busybox wget "$@"; fi
	else
		die "neither curl nor wget is here: install one, or put the" \
			"program beside this script"
	fi
}

# get NAME: the file out of $from into the working directory.
get() {
	case $from in
	http://* | https://*)
		fetch "${from%/}/$1" "$work/$1" ||
			die "cannot get ${from%/}/$1 (its reason stands above)" ;;
	*)
		[ -f "$from/$1" ] || die "there is no $1 in $from"
		cp "$from/$1" "$work/$1" || die "cannot copy $from/$1" ;;
	esac
}

sum_of() {
	if has sha256sum; then
		sha256sum <"$1"
	elif has shasum; then
		shasum -a 256 <"$1"
	elif has openssl; then
		openssl dgst -sha256 -r <"$1"
	elif has busybox; then
		busybox sha256sum <"$1"
	else
		die "no sha256sum, shasum or openssl is here to check the" \
			"program with: install coreutils"
	fi | cut -d ' ' -f 1
}

# The signature of SHA256SUMS, where it and openssl are there.
check_signature() {
	if [ -z "$PUBLIC_KEY" ]; then
		note "no key to check a signature with is built into this" \
			"script: the SHA-256 sum alone is compared"
		return
	fi
	has openssl || {
		note "openssl is not here: the signature is not checked"
		return
	}
	get SHA256SUMS.sig
	echo "$PUBLIC_KEY" |
		awk -v to="$work/key." '/-BEGIN/ { n++ } n { print >(to n) }'
	for key in "$work"/key.*; do
		openssl dgst -sha256 -verify "$key" \
			-signature "$work/SHA256SUMS.sig" "$work/SHA256SUMS" \
			>/dev/null 2>&1 && return
	done
	die "the signature of SHA256SUMS is wrong: nothing was installed"
}

# listed NAME: its sum in SHA256SUMS, if it is there.
listed() {
	awk -v name="$1" '$2 == name || $2 == "*" name { print $1; exit }' \
		"$work/SHA256SUMS"
}

# compare NAME SUM
compare() {
	is=$(sum_of "$work/$1")
	[ "$is" = "$2" ] || die "the SHA-256 sum of $1 is $is, but should" \
		"be $2: nothing was installed"
}

check() {
	want=$sha256
	if [ -z "$want" ]; then
		get SHA256SUMS
		check_signature
		want=$(listed "$1")
		[ -n "$want" ] || die "SHA256SUMS does not name $1"
	fi
	compare "$1" "$want"
}

# The manual page and completions, of a release that has them. Without them
# nothing is missing.
get_aids() {
	[ -e "$work/SHA256SUMS" ] || return 0
	for name in bbs-agent.8 bbs-agent.bash bbs-agent.zsh bbs-agent.fish; do
		want=$(listed "$name")
		[ -n "$want" ] || continue
		(get "$name" && compare "$name" "$want") 2>/dev/null || {
			note "$name is left out: it cannot be had, or its sum is wrong"
			rm -f "$work/$name"
		}
	done
}

note() {
	echo "install.sh: note: $*" >&2
}

# Whoever watches is told what goes on.
say() {
	[ ! -t 1 ] || echo "install.sh: $*"
}

# Beside this script, when it was not read from a pipe; else on the server.
where_from() {
	case $0 in
	*/install.sh | install.sh)
		here=$(cd "$(dirname "$0")" && pwd) || here=
		if [ -n "$here" ] && [ -f "$here/bbs-agent-$arch" ]; then
			echo "$here"
			return
		fi
		;;
	esac
	[ -n "$server" ] || die "give --server URL (or --from, or put" \
		"bbs-agent-$arch and SHA256SUMS beside this script)"
	echo "${server%/}/bbs-agent"
}

clean() {
	[ -z "$work" ] || rm -rf "$work"
}

# A directory that only we can write to and programs can run in.
make_work() {
	umask 077
	for dir in "${TMPDIR:-/tmp}" /var/tmp /run /root; do
		work=$(mktemp -d "$dir/bbs-agent.XXXXXX" 2>/dev/null) || {
			work=
			continue
		}
		printf '#!/bin/sh\nexit 0\n' >"$work/try" && chmod 700 "$work/try" &&
			"$work/try" 2>/dev/null && return
		clean
		work=
	done
	die "no directory is here that programs can run in (tried /tmp," \
		"/var/tmp, /run, /root)"
}

get_program() {
	arch=$(architecture) || exit 1
	[ -n "$from" ] || from=$(where_from) || exit 1
	make_work
	trap clean EXIT
	trap 'exit 1' HUP INT TERM
	say "taking bbs-agent-$arch from $from"
	case $from in
	http://*)
		[ -n "$sha256" ] || note "$from is not https://: anybody on the" \
			"way can replace the program and its sum" ;;
	https://*)
		if [ -z "$sha256" ] && ! has curl && ! is_full_wget &&
			! has openssl; then
			note "busybox wget checks no certificate without" \
				"openssl: compare the sum with --sha256"
		fi
		;;
	esac
	get "bbs-agent-$arch"
	check "bbs-agent-$arch"
	mv "$work/bbs-agent-$arch" "$work/bbs-agent"
	chmod 700 "$work/bbs-agent"
	"$work/bbs-agent" version >/dev/null ||
		die "bbs-agent-$arch does not run on this machine"
}

uninstall() {
	program=/usr/local/bin/bbs-agent
	[ -x "$program" ] || die "bbs-agent is not installed ($program)"
	exec "$program" uninstall "$@"
}

main() {
	from='' server='' sha256='' ca_file='' proxy='' insecure='' verb=install
	work=''
	# What is not for this script is put back behind, in its order.
	left=$#
	while [ "$left" -gt 0 ]; do
		word=$1
		shift
		left=$((left - 1))
		case $word in
		--help | -h)
			usage
			exit 0
			;;
		--version) verb=version ;;
		--uninstall) verb=uninstall ;;
		--insecure)
			insecure=1
			set -- "$@" "$word"
			;;
		--from | --sha256 | --server | --ca-file | --proxy)
			case $left${1:-} in
			0 | [0-9]--* | [0-9][0-9]--*) die "a value is missing after $word" ;;
			esac
			take "$word" "$1"
			case $word in
			--from | --sha256) ;;
			*) set -- "$@" "$word" "$1" ;;
			esac
			shift
			left=$((left - 1))
			;;
		--from=* | --sha256=*) take "${word%%=*}" "${word#*=}" ;;
		--server=* | --ca-file=* | --proxy=*)
			take "${word%%=*}" "${word#*=}"
			set -- "$@" "$word"
			;;
		*) set -- "$@" "$word" ;;
		esac
	done
	[ "$verb" != uninstall ] || uninstall "$@"
	[ "$(uname -s)" = Linux ] || die "this is not Linux"
	get_program
	if [ "$verb" = version ]; then
		"$work/bbs-agent" version
	else
		get_aids
		# It looks for a borg on the medium, too.
		[ ! -d "$from" ] || BBS_AGENT_BUNDLE=$(cd "$from" && pwd)
		export BBS_AGENT_BUNDLE
		"$work/bbs-agent" install "$@"
	fi
}

take() {
	case $1 in
	--from) from=$2 ;;
	--sha256) sha256=$2 ;;
	--server) server=$2 ;;
	--ca-file) ca_file=$2 ;;
	--proxy) proxy=$2 ;;
	esac
}

# Until its last character is there, this is a syntax error.
{ main "$@"; }
