#compdef bbs-agent
# zsh completion of bbs-agent
# written by bbs-agent install; a change here is lost at the next one.

_bbs-agent() {
	local curcontext=$curcontext state line
	local -a verbs anywhere
	verbs=(
		'run:the agent, in the foreground'
		'install:put the agent onto this host and start it'
		'uninstall:take it away again'
		'status:is it running, what does it do'
		'doctor:check every link from here to the backup'
		'update:a newer version of this program'
		'version:print the version'
		'help:a screen of help, or more on one command'
	)
	anywhere=(
		'--root=[the agent'\''s own files lie below]:directory:_directories'
		'--config=[in place of /etc/bbs-agent/config.ini]:file:_files'
	)
	_arguments -C -A '-*' $anywhere \
		'--debug[the same as run --debug]' \
		'--version[print the version]' \
		'--help[a screen of help]' \
		'1:command:->verb' '*:: :->rest'
	case $state in
	verb) _describe command verbs ;;
	rest)
		case $words[1] in
		run)
			_arguments $anywhere \
				'--once[ask once, run what came, report, end]' \
				'--debug[log the whole conversation]'
			;;
		install)
			_arguments $anywhere \
				'--server=[the backup server]:address:' \
				'--key=[the client'\''s API key]:key:' \
				'--key-file=[a file that holds the key]:file:_files' \
				'--ca-file=[CA certificates to trust]:file:_files' \
				'--pin=[the server'\''s public key]:SHA-256:' \
				'--insecure[check no certificate]' \
				'--proxy=[http\://host\:port]:address:' \
				'--borg=[which borg]:borg:{_values borg auto none; _files}' \
				'--service=[what starts the agent]:service:(auto systemd openrc sysv procd none)' \
				'--no-start[do not start it now]' \
				'--on-server[install on the backup server itself]' \
				'--dry-run[say what would be done]'
			;;
		uninstall)
			_arguments $anywhere \
				'--purge[configuration and keys, too]' \
				'--service=[what starts the agent]:service:(auto systemd openrc sysv procd none)' \
				'--dry-run[say what would be done]'
			;;
		status)
			_arguments $anywhere \
				'(--json)--watch[stay and follow]' \
				'(--watch)--json[one line for scripts]'
			;;
		doctor)
			_arguments $anywhere \
				'--json[one object for scripts]' \
				'--accept-host-key[keep the SSH host key of now]'
			;;
		update)
			_arguments $anywhere \
				'--check[look, change nothing]' \
				'--from=[where the release lies]:directory or address:_directories'
			;;
		help) _describe command verbs ;;
		esac
		;;
	esac
}

_bbs-agent "$@"
