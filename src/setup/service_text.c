/*
 * The service files. They differ in idiom only: start after the network is
 * up, start again ten seconds after a death, TERM at a stop with time enough
 * for a job to be stopped and reported, and nothing that would keep a backup,
 * a restore or a hook from what root can reach.
 */
#include "base/limits.h"
#include "base/text.h"
#include "setup/service.h"
#include <string.h>

static const char systemd_text[] =
    "# " SERVICE_MARK "; a change here is lost at the next one:\n"
    "# put yours into bbs-agent.service.d/local.conf.\n"
    "[Unit]\n"
    "Description=Borg Backup Server agent\n"
    "Wants=network-online.target\n"
    "After=network-online.target\n"
    "StartLimitIntervalSec=0\n"
    "\n"
    "# No sandbox (ProtectSystem=, PrivateTmp= and the like): backups read,\n"
    "# restores write and hooks run wherever root can.\n"
    "[Service]\n"
    "Type=notify\n"
    "ExecStart=@COMMAND@\n"
    "ExecReload=/bin/kill -HUP $MAINPID\n"
    "Restart=always\n"
    "RestartSec=10\n"
    "RestartPreventExitStatus=2 3\n"
    "WatchdogSec=120\n"
    "TimeoutStopSec=30\n"
    "KillMode=control-group\n"
    "OOMPolicy=continue\n"
    "\n"
    "[Install]\n"
    "WantedBy=multi-user.target\n";

static const char openrc_text[] =
    "#!/sbin/openrc-run\n"
    "# " SERVICE_MARK "; a change here is lost at the next one.\n"
    "\n"
    "description=\"Borg Backup Server agent\"\n"
    "supervisor=supervise-daemon\n"
    "command=@PROGRAM@\n"
    "command_args=\"@ARGUMENTS@\"\n"
    "pidfile=/run/supervise-bbs-agent.pid\n"
    "output_log=" SERVICE_LOG "\n"
    "error_log=" SERVICE_LOG "\n"
    "respawn_delay=10\n"
    "respawn_max=0\n"
    "retry=\"TERM/20/KILL/5\"\n"
    "extra_started_commands=\"reload\"\n"
    "\n"
    "depend() {\n"
    "\tuse net dns logger\n"
    "\tafter firewall netmount\n"
    "}\n"
    "\n"
    "reload() {\n"
    "\tebegin \"Reloading $RC_SVCNAME\"\n"
    "\tsupervise-daemon \"$RC_SVCNAME\" --signal HUP --pidfile "
    "\"$pidfile\"\n"
    "\teend $?\n"
    "}\n";

/* Nothing watches over it there, so the script does: one shell that starts
 * the agent again. It uses nothing but a POSIX shell. */
static const char sysv_text[] =
    "#!/bin/sh\n"
    "### BEGIN INIT INFO\n"
    "# Provides:          bbs-agent\n"
    "# Required-Start:    $remote_fs $network\n"
    "# Required-Stop:     $remote_fs $network\n"
    "# Should-Start:      $named $time $syslog\n"
    "# Should-Stop:       $named $syslog\n"
    "# Default-Start:     2 3 4 5\n"
    "# Default-Stop:      0 1 6\n"
    "# Short-Description: Borg Backup Server agent\n"
    "### END INIT INFO\n"
    "# chkconfig: 2345 98 02\n"
    "# description: Borg Backup Server agent\n"
    "# pidfile: /var/run/bbs-agent.pid\n"
    "# " SERVICE_MARK "; a change here is lost at the next one.\n"
    "\n"
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
    "export PATH\n"
    "program=@PROGRAM@\n"
    "pidfile=/var/run/bbs-agent.pid\n"
    "log=" SERVICE_LOG "\n"
    "\n"
    "# The keeper's pid, if it is one of ours that runs.\n"
    "keeper() {\n"
    "\tpid=$(cat \"$pidfile\" 2>/dev/null) || return 1\n"
    "\t[ -n \"$pid\" ] && grep -q bbs-agent \"/proc/$pid/cmdline\" "
    "2>/dev/null &&\n"
    "\t\techo \"$pid\"\n"
    "}\n"
    "\n"
    "# Starts the agent again whenever it dies; 0, 2 and 3 are ends that it\n"
    "# means. It is told to end by TERM, and passes that on; HUP, too.\n"
    "keep() {\n"
    "\tchild='' ended=''\n"
    "\ttrap 'ended=1; [ -z \"$child\" ] || kill -TERM \"$child\" "
    "2>/dev/null' TERM\n"
    "\twhile [ -z \"$ended\" ]; do\n"
    "\t\t# What ends with the terminal must not end a young agent.\n"
    "\t\ttrap '' HUP INT\n"
    "\t\t@COMMAND@ </dev/null >>\"$log\" 2>&1 &\n"
    "\t\tchild=$!\n"
    "\t\ttrap 'kill -HUP \"$child\" 2>/dev/null' HUP\n"
    "\t\t[ -z \"$ended\" ] || kill -TERM \"$child\" 2>/dev/null\n"
    "\t\twait \"$child\"; code=$?\n"
    "\t\t# A signal ends the wait, not the agent.\n"
    "\t\twhile [ $code -gt 128 ] && kill -0 \"$child\" 2>/dev/null; do\n"
    "\t\t\twait \"$child\"; code=$?\n"
    "\t\tdone\n"
    "\t\tcase $code in 0 | 2 | 3) break ;; esac\n"
    "\t\t[ -n \"$ended\" ] && break\n"
    "\t\tchild=''\n"
    "\t\tsleep 10 &\n"
    "\t\twait $!\n"
    "\tdone\n"
    "\trm -f \"$pidfile\"\n"
    "}\n"
    "\n"
    "start() {\n"
    "\tif keeper >/dev/null; then\n"
    "\t\techo \"bbs-agent runs already\"\n"
    "\t\treturn 0\n"
    "\tfi\n"
    "\t[ -x \"$program\" ] || return 5\n"
    "\tumask 077\n"
    "\tif [ -n \"$(find \"$log\" -size +2048 2>/dev/null)\" ]; then\n"
    "\t\tmv -f \"$log\" \"$log.1\"\n"
    "\tfi\n"
    "\t\"$0\" keep </dev/null >/dev/null 2>&1 &\n"
    "\techo $! >\"$pidfile\"\n"
    "\t# Red Hat stops at a shutdown only what it finds there.\n"
    "\t[ ! -d /var/lock/subsys ] || : >/var/lock/subsys/bbs-agent\n"
    "\techo \"bbs-agent started\"\n"
    "}\n"
    "\n"
    "stop() {\n"
    "\tpid=$(keeper) || {\n"
    "\t\trm -f \"$pidfile\"\n"
    "\t\treturn 0\n"
    "\t}\n"
    "\tkill -TERM \"$pid\" 2>/dev/null\n"
    "\tn=0\n"
    "\twhile kill -0 \"$pid\" 2>/dev/null && [ $n -lt 25 ]; do\n"
    "\t\tsleep 1\n"
    "\t\tn=$((n + 1))\n"
    "\tdone\n"
    "\tkill -KILL \"$pid\" 2>/dev/null\n"
    "\trm -f \"$pidfile\" /var/lock/subsys/bbs-agent\n"
    "\techo \"bbs-agent stopped\"\n"
    "}\n"
    "\n"
    "case ${1:-} in\n"
    "start) start ;;\n"
    "stop) stop ;;\n"
    "restart | force-reload)\n"
    "\tstop\n"
    "\tstart\n"
    "\t;;\n"
    "reload)\n"
    "\tpid=$(keeper) || {\n"
    "\t\techo \"bbs-agent does not run\" >&2\n"
    "\t\texit 7\n"
    "\t}\n"
    "\tkill -HUP \"$pid\"\n"
    "\t;;\n"
    "status)\n"
    "\tif keeper >/dev/null; then\n"
    "\t\techo \"bbs-agent runs\"\n"
    "\telse\n"
    "\t\techo \"bbs-agent does not run\"\n"
    "\t\texit 3\n"
    "\tfi\n"
    "\t;;\n"
    "keep) keep ;;\n"
    "*)\n"
    "\techo \"usage: $0 start|stop|restart|reload|force-reload|status\" "
    ">&2\n"
    "\texit 2\n"
    "\t;;\n"
    "esac\n";

static const char procd_text[] =
    "#!/bin/sh /etc/rc.common\n"
    "# " SERVICE_MARK "; a change here is lost at the next one.\n"
    "\n"
    "START=95\n"
    "STOP=10\n"
    "USE_PROCD=1\n"
    "\n"
    "start_service() {\n"
    "\tprocd_open_instance\n"
    "\tprocd_set_param command @COMMAND@\n"
    "\tprocd_set_param respawn 3600 10 0\n"
    "\tprocd_set_param term_timeout 20\n"
    "\tprocd_set_param stdout 1\n"
    "\tprocd_set_param stderr 1\n"
    "\tprocd_close_instance\n"
    "}\n"
    "\n"
    "reload_service() {\n"
    "\tprocd_send_signal bbs-agent '*' HUP\n"
    "}\n";

static const struct {
	const char *path, *text;
	mode_t mode;
} files[] = {
    [INIT_NONE] = {NULL, "", 0},
    [INIT_SYSTEMD] = {"/etc/systemd/system/bbs-agent.service", systemd_text,
	0644},
    [INIT_OPENRC] = {"/etc/init.d/bbs-agent", openrc_text, 0755},
    [INIT_SYSV] = {"/etc/init.d/bbs-agent", sysv_text, 0755},
    [INIT_PROCD] = {"/etc/init.d/bbs-agent", procd_text, 0755},
};

const char *service_path(enum init_system init)
{
	return files[init].path;
}

mode_t service_mode(enum init_system init)
{
	return files[init].mode;
}

bool service_is_plain(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789/._-+@,:";
	return word[0] != '\0' && word[strspn(word, plain)] == '\0';
}

int service_text(const struct service *v, struct buf *out)
{
	const char *command = v->command;
	size_t program = strcspn(command, " ");
	for (const char *p = files[v->init].text; *p != '\0';) {
		size_t len = strcspn(p, "@");
		buf_add(out, p, len);
		p += len;
		if (text_starts(p, "@COMMAND@")) {
			buf_adds(out, command);
			p += strlen("@COMMAND@");
		} else if (text_starts(p, "@PROGRAM@")) {
			buf_add(out, command, program);
			p += strlen("@PROGRAM@");
		} else if (text_starts(p, "@ARGUMENTS@")) {
			buf_adds(
			    out, command + program + (command[program] == ' '));
			p += strlen("@ARGUMENTS@");
		} else if (*p == '@') {
			buf_addc(out, *p++);
		}
	}
	return out->failed ? -1 : 0;
}

void service_hint(const struct service *v, struct buf *out)
{
	if (host_has(v->root, "/etc/inittab") &&
	    !host_has(v->root, "/etc/crontab"))
		buf_addf(out, "::respawn:%s", v->command);
	else
		buf_addf(out, "*/10 * * * * root %s --once", v->command);
}
