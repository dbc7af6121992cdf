# bash completion of bbs-agent
# written by bbs-agent install; a change here is lost at the next one.

_bbs_agent_matches() {
	mapfile -t COMPREPLY < <(compgen "$@")
}

_bbs_agent() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local verbs='run install uninstall status doctor update version help'
	local verb='' options='--root --config' i
	# bash takes --root=DIR for three words.
	if [[ $cur == = ]]; then
		cur=''
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	case $prev in
	--root | --from)
		compopt -o filenames
		_bbs_agent_matches -d -- "$cur"
		return
		;;
	--config | --key-file | --ca-file)
		compopt -o filenames
		_bbs_agent_matches -f -- "$cur"
		return
		;;
	--borg)
		compopt -o filenames
		_bbs_agent_matches -f -W 'auto none' -- "$cur"
		return
		;;
	--service)
		_bbs_agent_matches -W 'auto systemd openrc sysv procd none' -- "$cur"
		return
		;;
	--server | --key | --pin | --proxy) return ;;
	esac
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ " $verbs " == *" ${COMP_WORDS[i]} "* ]]; then
			verb=${COMP_WORDS[i]}
			break
		fi
	done
	case $verb in
	'') options="$verbs $options --debug --version --help" ;;
	run) options+=' --once --debug' ;;
	install) options+=' --server --key --key-file --ca-file --pin --insecure
		--proxy --borg --service --no-start --on-server --dry-run' ;;
	uninstall) options+=' --purge --service --dry-run' ;;
	status) options+=' --watch --json' ;;
	doctor) options+=' --json --accept-host-key' ;;
	update) options+=' --check --from' ;;
	help) options=$verbs ;;
	esac
	_bbs_agent_matches -W "$options" -- "$cur"
}

complete -F _bbs_agent bbs-agent
