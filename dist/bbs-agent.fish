# fish completion of bbs-agent
# written by bbs-agent install; a change here is lost at the next one.

set -l verbs run install uninstall status doctor update version help
set -l services auto systemd openrc sysv procd none

complete -c bbs-agent -f
complete -c bbs-agent -n "not __fish_seen_subcommand_from $verbs" -a run -d 'The agent, in the foreground'
complete -c bbs-agent -n "not __fish_seen_subcommand_from $verbs" -a install -d 'Put the agent onto this host and start it'
complete -c bbs-agent -n "not __fish_seen_subcommand_from $verbs" -a uninstall -d 'Take it away again'
complete -c bbs-agent -n "not __fish_seen_subcommand_from $verbs" -a status -d 'Is it running, what does it do'
complete -c bbs-agent -n "not __fish_seen_subcommand_from $verbs" -a doctor -d 'Check every link from here to the backup'
complete -c bbs-agent -n "not __fish_seen_subcommand_from $verbs" -a update -d 'A newer version of this program'
complete -c bbs-agent -n "not __fish_seen_subcommand_from $verbs" -a version -d 'Print the version'
complete -c bbs-agent -n "not __fish_seen_subcommand_from $verbs" -a help -d 'A screen of help, or more on one command'
complete -c bbs-agent -n '__fish_seen_subcommand_from help' -a "$verbs"

complete -c bbs-agent -n 'not __fish_seen_subcommand_from help' -l root -x -a '(__fish_complete_directories)' -d 'Where the agent\'s own files lie'
complete -c bbs-agent -n 'not __fish_seen_subcommand_from help' -l config -rF -d 'In place of /etc/bbs-agent/config.ini'
complete -c bbs-agent -n "not __fish_seen_subcommand_from $verbs" -l version -d 'Print the version'
complete -c bbs-agent -n "not __fish_seen_subcommand_from $verbs" -l help -d 'A screen of help'
complete -c bbs-agent -n "not __fish_seen_subcommand_from $verbs; or __fish_seen_subcommand_from run" -l debug -d 'Log the whole conversation'
complete -c bbs-agent -n '__fish_seen_subcommand_from run' -l once -d 'Ask once, run what came, report, end'

complete -c bbs-agent -n '__fish_seen_subcommand_from install' -l server -x -d 'The backup server'
complete -c bbs-agent -n '__fish_seen_subcommand_from install' -l key -x -d 'The client\'s API key'
complete -c bbs-agent -n '__fish_seen_subcommand_from install' -l key-file -rF -d 'A file that holds the key'
complete -c bbs-agent -n '__fish_seen_subcommand_from install' -l ca-file -rF -d 'CA certificates to trust'
complete -c bbs-agent -n '__fish_seen_subcommand_from install' -l pin -x -d 'The server\'s public key (SHA-256)'
complete -c bbs-agent -n '__fish_seen_subcommand_from install' -l insecure -d 'Check no certificate'
complete -c bbs-agent -n '__fish_seen_subcommand_from install' -l proxy -x -d 'http://host:port'
complete -c bbs-agent -n '__fish_seen_subcommand_from install' -l borg -rF -a 'auto none' -d 'Which borg'
complete -c bbs-agent -n '__fish_seen_subcommand_from install' -l no-start -d 'Do not start it now'
complete -c bbs-agent -n '__fish_seen_subcommand_from install' -l on-server -d 'Install on the backup server itself'
complete -c bbs-agent -n '__fish_seen_subcommand_from install uninstall' -l service -x -a "$services" -d 'What starts the agent'
complete -c bbs-agent -n '__fish_seen_subcommand_from install uninstall' -l dry-run -d 'Say what would be done'
complete -c bbs-agent -n '__fish_seen_subcommand_from uninstall' -l purge -d 'Configuration and keys, too'

complete -c bbs-agent -n '__fish_seen_subcommand_from status' -l watch -d 'Stay and follow'
complete -c bbs-agent -n '__fish_seen_subcommand_from status doctor' -l json -d 'For scripts'
complete -c bbs-agent -n '__fish_seen_subcommand_from doctor' -l accept-host-key -d 'Keep the SSH host key of now'
complete -c bbs-agent -n '__fish_seen_subcommand_from update' -l check -d 'Look, change nothing'
complete -c bbs-agent -n '__fish_seen_subcommand_from update' -l from -rF -d 'Where the release lies'
