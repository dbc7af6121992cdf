/* A job whose result is a text; see job/short.h. */
#include "job/short.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include <string.h>

void short_begin(struct short_job *s, struct worker *w)
{
	memset(s, 0, sizeof(*s));
	s->worker = w;
	s->started_at = clock_ms();
	s->progress = (struct progress)PROGRESS_INIT;
	buf_init(&s->output, REPORT_BODY_MAX);
	buf_init(&s->error, 4 * ERROR_LOG_MAX);
	log_info("%s started", w->task->type);
}

void short_fail(struct short_job *s, const char *fmt, ...)
{
	va_list ap;
	s->failed = true;
	if (s->error.len > 0)
		buf_addc(&s->error, '\n');
	va_start(ap, fmt);
	buf_addv(&s->error, fmt, ap);
	va_end(ap);
}

void short_end(struct short_job *s)
{
	struct worker *w = s->worker;
	char time[TEXT_AMOUNT];
	if (s->failed && w->stop != STOP_NONE) {
		buf_reset(&s->error);
		buf_adds(&s->error, worker_stop_sentence(w->stop));
	}
	struct report r = {.job_id = w->task->job_id,
	    .result = s->failed ? REPORT_FAILED : REPORT_COMPLETED,
	    .had_warnings = s->had_warnings,
	    .error_log = buf_str(&s->error),
	    .output_log = buf_str(&s->output),
	    .output_whole = s->output_whole};
	text_duration(time, (clock_ms() - s->started_at) / 1000);
	if (s->failed)
		log_error("%s failed after %s: %s", w->task->type, time,
		    buf_str(&s->error));
	else
		log_info("%s finished: %s", w->task->type, time);
	worker_final(w, &r);
	buf_wipe(&s->output);
	buf_wipe(&s->error);
}
