#!/bin/sh
# Installs what a command of the Makefile needs and this machine lacks.
#
# tests/setup.sh build|demo|test|hosts|bench|soak|lint|fuzz|dist
#
# Where there is apt, and this is root or sudo asks nothing, the packages are
# installed, without starting any service of theirs. Elsewhere they are named.
# It is over at once when everything is there.
set -eu

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
here=$(cd "$(dirname "$0")" && pwd)
kind=${1:-}

# How a thing is looked for, its name, and the Debian package that has it.
# What builds:
build='
command gcc gcc
command make make
command ld binutils
command awk mawk
command tar tar
command gzip gzip
command xz xz-utils
header linux/types.h linux-libc-dev
'
# What shows the whole cycle:
demo="$build
command python3 python3
command borg borgbackup
command ssh openssh-client
command sshd openssh-server
command openssl openssl
"
# What measures it; two small helpers are compiled:
bench="$demo
header stdio.h libc6-dev
"
# What kills it again and again:
soak="$demo
python pytest python3-pytest
"
# What tests it:
test="$demo
header stdio.h libc6-dev
header cmocka.h libcmocka-dev
command nginx nginx
command mariadbd mariadb-server
command mariadb mariadb-client
file /usr/lib/postgresql/*/bin/initdb postgresql
command dropbear dropbear-bin
library libnss_wrapper.so libnss-wrapper
command busybox busybox-static
command tmux tmux
command curl curl
command wget wget
command unshare util-linux
command strace strace
command zsh zsh
command fish fish
command mandoc mandoc
command tinyproxy tinyproxy-bin
python pytest python3-pytest
"
# What boots a host to install on:
hosts="$demo
command systemd-nspawn systemd-container
command debootstrap debootstrap
command busybox busybox-static
command dropbear dropbear-bin
command nsenter util-linux
python pytest python3-pytest
"
# What judges it; clang also compiles the tests' own libraries.
lint="$build
header stdio.h libc6-dev
header cmocka.h libcmocka-dev
command python3 python3
command clang clang
command clang-format clang-format
command clang-tidy clang-tidy
command cppcheck cppcheck
command shellcheck shellcheck
command mandoc mandoc
command zsh zsh
command fish fish
"
# What looks for inputs that break it.
fuzz="$build
header stdio.h libc6-dev
command python3 python3
command openssl openssl
command clang clang
file /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a libclang-rt-dev
"
# What makes a release for every architecture, and starts each:
dist="$build
command python3 python3
command openssl openssl
command ssh openssh-client
command sshd openssh-server
command busybox busybox-static
command qemu-arm-static qemu-user-static
command qemu-system-mipsel qemu-system-mips
"
# A compiler that Debian does not have is no reason to stop.
optional=''

# Two lines for each row of the table.
cross_compilers() {
	awk '/^[^#]/ { print "command", $2 "-gcc", $3
		print "kernel", $2 "-gcc", $4 }' "$here/../dist/architectures"
}

die() {
	echo "setup: $*" >&2
	exit 1
}

# is_there KIND NAME
is_there() {
	case $1 in
	command)
		# Debian's python3, not another one in PATH.
		[ "$2" != python3 ] || set -- command /usr/bin/python3
		command -v "$2" >/dev/null 2>&1
		;;
	header)
		command -v gcc >/dev/null 2>&1 &&
			echo "#include <$2>" | gcc -E -x c - >/dev/null 2>&1
		;;
	kernel)
		echo "#include <linux/types.h>" | "$2" -E - >/dev/null 2>&1
		;;
	file)
		# shellcheck disable=SC2086
		set -- $2
		[ -e "$1" ]
		;;
	library)
		LD_PRELOAD=$2 /bin/true 2>&1 | grep -q . && return 1
		return 0
		;;
	python)
		/usr/bin/python3 -c "import importlib.util as u, sys
sys.exit(u.find_spec('$2') is None)" 2>/dev/null
		;;
	esac
}

# missing LIST: the packages of what is not there.
missing() {
	echo "$1" | while read -r how name package; do
		[ -z "$how" ] || is_there "$how" "$name" || echo "$package"
	done | sort -u
}

policy=/usr/sbin/policy-rc.d

# The packages' services must not start: Debian asks this file. Should this
# script be killed before it removes it, the file removes itself when asked.
hold_services() {
	[ ! -e "$policy" ] || return 0
	trap 'rm -f "$policy"' EXIT
	trap 'exit 1' HUP INT TERM
	cat >"$policy" <<EOF
#!/bin/sh
# Of bbs-agent's tests/setup.sh: nothing is started while it installs.
[ -d /proc/$$ ] && exit 101
rm -f "$policy"
exit 0
EOF
	chmod 755 "$policy"
}

can_install() {
	command -v apt-get >/dev/null 2>&1 &&
		{ [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

# apt_install PACKAGES OPTIONAL-ONES
apt_install() {
	hold_services
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q update </dev/null ||
		echo "setup: some package lists could not be read" >&2
	set -- "$1 $(to_be_had "$2")"
	# shellcheck disable=SC2086
	apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends \
		install $1 </dev/null || die "apt-get could not install:" $1
}

# Those of these packages that apt knows.
to_be_had() {
	for package in $1; do
		if apt-cache policy "$package" | grep -q 'Candidate: [^(]'; then
			echo "$package"
		else
			echo "setup: there is no package $package here" >&2
		fi
	done | tr '\n' ' '
}

# A private sshd that runs as root wants this directory, which only Debian's
# own service makes.
make_run_sshd() {
	[ "$(id -u)" != 0 ] || [ -d /run/sshd ] || mkdir -m 755 /run/sshd
}

case $kind in
build) list=$build ;;
demo) list=$demo ;;
bench) list=$bench ;;
soak) list=$soak ;;
hosts) list=$hosts ;;
test) list=$test ;;
lint) list=$lint ;;
dist)
	list=$dist
	optional=$(cross_compilers)
	;;
fuzz) list=$fuzz ;;
*) die "usage: tests/setup.sh build|demo|test|hosts|bench|soak|lint|fuzz|dist" ;;
esac

packages=$(missing "$list" | tr '\n' ' ')
packages=${packages% }
more=$(missing "$optional" | tr '\n' ' ')
more=${more% }
if [ -z "$packages" ] && [ -n "$more" ] && ! can_install; then
	echo "setup: going on without $more: apt and root would install it"
elif [ -n "$packages$more" ]; then
	command -v apt-get >/dev/null 2>&1 ||
		die "please install what the Debian packages" \
			"$packages contain; there is no apt here to do it"
	if [ "$(id -u)" != 0 ]; then
		sudo -n true 2>/dev/null ||
			die "please install these packages (as root):" \
				"apt-get install $packages $more"
		exec sudo -n "$here/setup.sh" "$kind"
	fi
	echo "setup: installing $packages $more"
	apt_install "$packages" "$more"
	packages=$(missing "$list" | tr '\n' ' ')
	[ -z "$packages" ] ||
		die "still missing after the installation: $packages"
fi
case $kind in
demo | test | bench | soak | dist) make_run_sshd ;;
esac
