/*
 * The configuration, read again on SIGHUP: all of it or, when anything is
 * wrong with it, nothing. Workers have the copy they were forked with and keep
 * it; the network processes are started anew. Every request to the server may
 * be repeated, so what was under way is simply asked again.
 */
#include "agent/agent.h"
#include "agent/logging.h"
#include "agent/notify.h"
#include "base/limits.h"
#include "base/log.h"
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The answers to these will not come any more. */
static void forget_calls(struct agent *a, uint64_t now)
{
	struct job *job = jobs_find(&a->jobs, a->call_job);
	if (job != NULL) {
		job->said[0] = '\0';
		job->progress_at = now;
	}
	a->call = CALL_NONE;
	a->call_job = 0;
	a->call_log = 0;
	a->spool.sending = 0;
	if (a->renewal == RENEWAL_SENDING)
		a->renewal = RENEWAL_KNOWN;
	if (a->heartbeat_at > now)
		a->heartbeat_at = now;
	if (a->want_key)
		a->key_at = now;
}

/* The server, if it is another one, does not know us; borg may be another. */
static void begin_anew(struct agent *a, uint64_t now)
{
	a->registered = false;
	a->register_at = now;
	a->trouble.hold_until = 0;
	a->spool.trouble.hold_until = 0;
	a->want_host = true;
	a->host_at = now;
	a->fetch.stale = a->fetch.net != NULL;
	if (a->fetch.job_id == 0)
		a->fetch.rest_at = now;
}

static void use(struct agent *a, struct config *next, int log_fd, uint64_t now)
{
	struct config old = *a->config;
	*a->config = *next;
	if (old.poll_interval != next->poll_interval)
		a->poll_interval = next->poll_interval;
	config_release(&old);
	log_forget();
	log_hide(a->config->api_key);
	logging_use(a->config, a->paths, a->debug, log_fd);
	if (a->log_fd >= 0)
		close(a->log_fd);
	a->log_fd = log_fd;
	forget_calls(a, now);
	begin_anew(a, now);
	answers_judge_again(a);
}

static int load(struct agent *a, struct config *next, int *log_fd,
    struct buf *warnings, struct buf *why)
{
	bool missing;
	if (config_init(next) != 0) {
		buf_adds(why, "out of memory");
		return -1;
	}
	if (config_load(next, a->paths->config, warnings, why, &missing) == 0 &&
	    logging_open(next, a->debug, log_fd, why) == 0) {
		log_hide(next->api_key);
		if (nets_open(a, next, why) == 0)
			return 0;
		log_forget();
		log_hide(a->config->api_key);
		if (*log_fd >= 0)
			close(*log_fd);
	}
	config_release(next);
	return -1;
}

static void tell_begin(void)
{
	char text[80];
	struct timespec ts = {0};
	clock_gettime(CLOCK_MONOTONIC, &ts);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
	    (unsigned long long)ts.tv_sec * 1000000u +
		(unsigned long long)ts.tv_nsec / 1000u);
	notify_send(text);
}

void reload_config(struct agent *a, uint64_t now)
{
	struct config next;
	struct buf warnings = BUF_INIT(64 * KIB), why = BUF_INIT(8 * KIB);
	int log_fd = -1;
	if (a->stopping)
		return;
	tell_begin();
	if (load(a, &next, &log_fd, &warnings, &why) == 0) {
		use(a, &next, log_fd, now);
		log_info("the configuration was read again");
		logging_warn(&warnings);
	} else {
		log_error(
		    "the configuration stays as it was: %s", buf_str(&why));
	}
	notify_send("READY=1");
	buf_release(&warnings);
	buf_release(&why);
}
