/*
 * One screen of 80 columns and 24 lines, from top to bottom: the agent, its
 * ways to the server and to borg, what it may do, what it does, what it did.
 * Pure but for the time zone. A longer text is cut on a terminal and whole
 * elsewhere; where rows are short, the oldest jobs are left out.
 */
#include "base/limits.h"
#include "base/text.h"
#include "cli/status.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LABEL 10
#define DATE 80 /* room for any, as a compiler sees it */
#define BAR 40
#define BAR_END 10 /* what stands behind it, up to its message */
/* An agent that asks is heard of more often than that, besides its polls. */
#define SILENCE_S 900
/* Lines of a sentence on a terminal. */
#define SENTENCE_LINES 3
#define NAME_LEAST 12 /* one that is cut shorter tells nothing */

struct page {
	const struct term *t;
	struct buf *out;
	int64_t now;
	unsigned rows;	/* that are made */
	bool trouble;	/* something red stands there already */
	unsigned width; /* of the window, or no end */
};

static void end_line(struct page *p)
{
	buf_addc(p->out, '\n');
	p->rows++;
}

static void add_styled(
    struct page *p, enum term_style style, const char *text, unsigned cells)
{
	p->trouble |= style == TERM_RED;
	if (style != TERM_PLAIN)
		term_style(p->t, p->out, style);
	term_add(p->t, p->out, text, cells);
	if (style != TERM_PLAIN)
		term_style(p->t, p->out, TERM_PLAIN);
}

static void add_label(struct page *p, const char *label)
{
	term_style(p->t, p->out, TERM_BOLD);
	term_column(p->t, p->out, label, LABEL);
	term_style(p->t, p->out, TERM_PLAIN);
}

/* How much of text goes onto one line: up to a blank. */
static size_t first_line(const struct page *p, const char *text)
{
	size_t room = p->t->cols > LABEL + 20 ? p->t->cols - LABEL : 20;
	size_t len = strlen(text), at = room;
	if (len <= room)
		return len;
	while (at > 0 && text[at] != ' ')
		at--;
	return at > 0 ? at : len;
}

/* A label and its text on one line. */
static void add_line(
    struct page *p, const char *label, enum term_style style, const char *text)
{
	add_label(p, label);
	add_styled(p, style, text, p->width > LABEL ? p->width - LABEL : 0);
	end_line(p);
}

/* The same over several lines, if it needs them. */
static void add_text(
    struct page *p, const char *label, enum term_style style, const char *text)
{
	bool last = false;
	for (unsigned line = 1; !last; line++) {
		char part[KIB];
		size_t n = first_line(p, text);
		last = text[n] == '\0' || (line == SENTENCE_LINES && p->t->tty);
		text_copy(part,
		    last || n >= sizeof(part) ? sizeof(part) : n + 1, text);
		add_line(p, line == 1 ? label : "", style, part);
		text += last ? 0 : strlen(part);
		text += *text == ' ';
	}
}

/* "2026-11-23 05:10", in the reader's own time. */
static const char *date(char dst[DATE], int64_t seconds)
{
	struct tm tm = {0};
	time_t t = (time_t)seconds;
	dst[0] = '\0';
	if (seconds > 0 && localtime_r(&t, &tm) != NULL)
		snprintf(dst, DATE, "%04d-%02d-%02d %02d:%02d",
		    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		    tm.tm_min);
	return dst;
}

/* How long ago, and "0 s" for what is still to come. */
static const char *since(char *dst, const struct page *p, int64_t then)
{
	return text_duration(
	    dst, p->now > then ? (uint64_t)(p->now - then) : 0);
}

static void add_title(struct page *p, const struct status *s)
{
	char age[TEXT_AMOUNT], day[DATE], line[256];
	struct tm tm = {0};
	time_t t = (time_t)p->now;
	(void)localtime_r(&t, &tm);
	snprintf(line, sizeof(line), "bbs-agent %s %s for %s (pid %d)",
	    s->version != NULL ? s->version : "?",
	    s->stopping ? "is stopping; it ran" : "runs",
	    since(age, p, s->started), (int)s->pid);
	size_t used = strlen(line);
	if (used < sizeof(line))
		snprintf(line + used, sizeof(line) - used, "; %s %s",
		    date(day, p->now), tm.tm_zone != NULL ? tm.tm_zone : "");
	add_styled(p, TERM_BOLD, line, p->width);
	end_line(p);
}

static void add_server(struct page *p, const struct status *s)
{
	char age[TEXT_AMOUNT], next[TEXT_AMOUNT];
	struct buf line = BUF_INIT(4 * KIB);
	enum term_style style = TERM_GREEN;
	add_text(p, "Server", TERM_PLAIN, s->url != NULL ? s->url : "?");
	if (s->failures > 0) {
		style = TERM_RED;
		buf_addf(&line, "fails for %s: %s",
		    since(age, p, s->failing_since),
		    s->failing != NULL ? s->failing : "no answer");
	} else if (s->answered > 0) {
		buf_addf(&line, "answered %s ago", since(age, p, s->answered));
		if (p->now - s->answered > s->poll_interval + SILENCE_S) {
			style = TERM_RED;
			buf_adds(&line, ": the agent hangs, see its log");
		}
	} else {
		style = TERM_YELLOW;
		buf_adds(&line, "has not answered yet");
	}
	if (s->next_poll > p->now)
		buf_addf(&line, "; next poll in %s",
		    text_duration(next, (uint64_t)(s->next_poll - p->now)));
	add_text(p, "", style, buf_str(&line));
	buf_release(&line);
}

static void add_ssh(struct page *p, const struct status *s)
{
	static const struct {
		const char *state, *text;
		enum term_style style;
	} known[] = {
	    {"works", "accepted by the server", TERM_GREEN},
	    {"refused", "refused by the server; a new one is asked for",
		TERM_RED},
	    {"failed", NULL, TERM_RED},
	    {"missing", "none yet; the server is asked for one", TERM_YELLOW},
	    {"untested", "not tried yet", TERM_YELLOW},
	};
	const char *state = s->ssh_state != NULL ? s->ssh_state : "untested";
	size_t i = 0;
	while (i < 4 && strcmp(known[i].state, state) != 0)
		i++;
	const char *text = known[i].text;
	if (text == NULL)
		text = s->ssh_text != NULL ? s->ssh_text : "no connection";
	add_text(p, "SSH key", known[i].style, text);
}

static void add_borg(struct page *p, const struct status *s)
{
	char line[512] = "not looked for yet";
	if (s->borg_path != NULL)
		snprintf(line, sizeof(line), "%s at %.400s",
		    s->borg_version != NULL ? s->borg_version : "?",
		    s->borg_path);
	if (s->borg_failing != NULL)
		add_text(p, "borg", TERM_RED, s->borg_failing);
	else
		add_text(p, "borg",
		    s->borg_path != NULL ? TERM_PLAIN : TERM_YELLOW, line);
}

static void add_reports(struct page *p, const struct status *s)
{
	char count[TEXT_AMOUNT];
	struct buf line = BUF_INIT(4 * KIB);
	if (s->reports <= 0)
		buf_adds(&line, "none waits");
	else
		buf_addf(&line, "%s to be sent",
		    text_count(count, (uint64_t)s->reports));
	if (s->reports_failing != NULL)
		buf_addf(&line, ": %s", s->reports_failing);
	add_text(p, "Reports",
	    s->reports_failing != NULL ? TERM_RED
	    : s->reports > 0	       ? TERM_YELLOW
				       : TERM_PLAIN,
	    buf_str(&line));
	buf_release(&line);
}

static void add_paths(struct buf *line, const char *what, const char *list)
{
	if (list == NULL)
		return;
	buf_addf(line, ", %s", what);
	for (size_t n; *list != '\0'; list += n + (list[n] == '\n')) {
		n = strcspn(list, "\n");
		buf_addf(line, " %.*s", (int)n, list);
	}
}

static void add_policy(struct page *p, const struct status *s)
{
	struct buf line = BUF_INIT(64 * KIB);
	const char *commands = s->commands != NULL ? s->commands : "borg";
	const char *hooks = s->hooks != NULL ? s->hooks : "yes";
	if (s->tasks != NULL)
		buf_addf(&line, "tasks %s, ", s->tasks);
	else
		buf_adds(&line, "all tasks, ");
	buf_adds(&line,
	    strcmp(commands, "any") == 0 ? "any command, " : "only borg, ");
	if (strcmp(hooks, "yes") == 0)
		buf_adds(&line, "any hook");
	else if (strcmp(hooks, "no") == 0)
		buf_adds(&line, "no hooks");
	else
		buf_addf(&line, "hooks in %s", hooks);
	add_paths(&line, "restores to", s->restore_to);
	add_paths(&line, "backups from", s->backup_from);
	add_paths(&line, "browsing", s->browse);
	add_text(p, "Policy", TERM_PLAIN, buf_str(&line));
	buf_release(&line);
}

static void add_sandbox(struct page *p, const struct status *s)
{
	struct buf line = BUF_INIT(8 * KIB);
	bool partial = s->missing != NULL || s->sandbox_note != NULL;
	if (s->layers == NULL) {
		add_text(p, "Sandbox", TERM_YELLOW, "not told yet");
		return;
	}
	buf_adds(&line, s->layers);
	if (s->missing != NULL)
		buf_addf(&line, "; not to be had here: %s", s->missing);
	if (s->sandbox_note != NULL)
		buf_addf(&line, " (%s)", s->sandbox_note);
	add_text(
	    p, "Sandbox", partial ? TERM_YELLOW : TERM_PLAIN, buf_str(&line));
	buf_release(&line);
}

/* Thousandths that are done, -1: not known. */
static int done_of(const struct status_job *j)
{
	bool bytes = j->bytes_total > 0;
	int64_t total = bytes ? j->bytes_total : j->files_total;
	int64_t done = bytes ? j->bytes : j->files;
	if (total <= 0 || done < 0)
		return -1;
	if (done >= total)
		return 1000;
	/* So that an exabyte does not overflow. */
	int64_t step = total / (INT64_MAX / 1000) + 1;
	return (int)((done / step) * 1000 / (total / step));
}

static void add_bar(struct page *p, const struct status_job *j)
{
	int done = done_of(j);
	int bar = p->width < LABEL + BAR + BAR_END
		      ? (int)p->width - LABEL - BAR_END
		      : BAR;
	const char *message = j->message != NULL ? j->message : j->state;
	if (message == NULL)
		message = "";
	if (done < 0) {
		add_line(p, "", TERM_PLAIN, message);
		return;
	}
	add_label(p, "");
	term_style(p->t, p->out, TERM_GREEN);
	buf_addc(p->out, '[');
	for (int i = 0; i < bar; i++)
		buf_addc(p->out, i * 1000 < done * bar ? '#' : '-');
	buf_addc(p->out, ']');
	term_style(p->t, p->out, TERM_PLAIN);
	buf_addf(p->out, " %3d %%  ", done / 10);
	unsigned used = LABEL + BAR + BAR_END;
	term_add(p->t, p->out, message, p->width > used ? p->width - used : 0);
	end_line(p);
}

static void add_amounts(struct page *p, const struct status_job *j)
{
	char a[TEXT_AMOUNT];
	struct buf line = BUF_INIT(KIB);
	if (j->files >= 0 && j->files_total > 0) {
		buf_adds(&line, text_count(a, (uint64_t)j->files));
		buf_addf(
		    &line, " of %s", text_files(a, (uint64_t)j->files_total));
	} else if (j->files >= 0) {
		buf_adds(&line, text_files(a, (uint64_t)j->files));
	}
	if (j->bytes >= 0)
		buf_addf(&line, "%s%s", line.len > 0 ? ", " : "",
		    text_size(a, (uint64_t)j->bytes));
	if (j->bytes >= 0 && j->bytes_total > 0)
		buf_addf(
		    &line, " of %s", text_size(a, (uint64_t)j->bytes_total));
	if (j->rate >= 0)
		buf_addf(&line, ", %s/s", text_size(a, (uint64_t)j->rate));
	if (j->left >= 0)
		buf_addf(
		    &line, ", %s left", text_duration(a, (uint64_t)j->left));
	if (line.len > 0)
		add_line(p, "", TERM_PLAIN, buf_str(&line));
	buf_release(&line);
}

static void add_job(struct page *p, const struct status *s)
{
	char age[TEXT_AMOUNT];
	struct buf line = BUF_INIT(8 * KIB);
	const struct status_job *j = &s->job[0];
	if (s->job_count == 0) {
		add_line(p, "Job", TERM_PLAIN, "none");
		return;
	}
	buf_addf(&line, "%lld %s", (long long)j->id,
	    j->type != NULL ? j->type : "?");
	if (j->started > 0)
		buf_addf(&line, " for %s", since(age, p, j->started));
	else
		buf_addf(&line, " is %s", j->state != NULL ? j->state : "?");
	if (s->job_count > 1)
		buf_addf(&line, ", %d more", s->job_count - 1);
	if (j->archive != NULL)
		buf_addf(&line, ": %s", j->archive);
	add_line(p, "Job", TERM_PLAIN, buf_str(&line));
	buf_release(&line);
	if (j->started > 0) {
		add_bar(p, j);
		add_amounts(p, j);
	}
}

static enum term_style style_of(const struct status_past *j, const char **word)
{
	*word = j->result != NULL ? j->result : "?";
	if (strcmp(*word, "completed") != 0)
		return TERM_RED;
	if (!j->warnings)
		return TERM_GREEN;
	*word = "warnings";
	return TERM_YELLOW;
}

/* Of the list of jobs. */
enum { ID = 8, TYPE = 15, ENDED = 17, RESULT = 10, TOOK = 12, SIZE = 9 };

/* How many of a line's columns a window has room for. */
static unsigned room_for(const struct page *p, bool *dated, bool *sized)
{
	*dated = p->width >= ID + TYPE + ENDED + RESULT;
	*sized = p->width >= ID + TYPE + ENDED + RESULT + TOOK + SIZE;
	return ID + TYPE + RESULT + (*dated ? ENDED : 0);
}

static void add_numbers(
    struct page *p, const struct status_past *j, const char *result)
{
	char a[TEXT_AMOUNT] = "";
	if (j->started > 0)
		text_duration(a, j->ended > j->started
				     ? (uint64_t)(j->ended - j->started)
				     : 0);
	term_column(p->t, p->out, a, TOOK);
	a[0] = '\0';
	if (j->bytes >= 0 && strcmp(result, "failed") != 0)
		text_size(a, (uint64_t)j->bytes);
	buf_addf(p->out, "%*s", SIZE, a);
}

/* Why a job failed takes the place of its numbers. Why the newest did, or has
 * warnings, stands below it where there is no room for that. */
static void add_past(struct page *p, const struct status_past *j, bool newest)
{
	char a[DATE];
	const char *word, *why = j->reason != NULL ? j->reason : j->error;
	enum term_style style = style_of(j, &word);
	bool dated, sized;
	unsigned used = room_for(p, &dated, &sized);
	bool below = newest && why != NULL &&
		     (style == TERM_YELLOW || strlen(why) + used > p->width);
	const char *rest = style == TERM_RED && !below ? why : NULL;
	snprintf(a, sizeof(a), "%7lld", (long long)j->id);
	term_column(p->t, p->out, a, ID);
	term_column(p->t, p->out, j->type != NULL ? j->type : "?", TYPE - 1);
	buf_addc(p->out, ' ');
	if (dated)
		term_column(p->t, p->out, date(a, j->ended), ENDED);
	term_style(p->t, p->out, style);
	term_column(p->t, p->out, word, RESULT);
	term_style(p->t, p->out, TERM_PLAIN);
	if (rest == NULL && sized) {
		add_numbers(p, j, word);
		used += TOOK + SIZE + 2;
		rest = j->archive;
	}
	if (rest != NULL && p->width >= used + NAME_LEAST) {
		buf_adds(p->out, rest == j->archive ? "  " : "");
		term_add(p->t, p->out, rest, p->width - used);
	}
	end_line(p);
	if (below)
		add_text(p, "", style, why);
}

static void add_history(struct page *p, const struct status *s, unsigned rows)
{
	bool dated, sized;
	if (s->past_count == 0 || (rows != 0 && p->rows + 2 > rows))
		return;
	(void)room_for(p, &dated, &sized);
	term_style(p->t, p->out, TERM_BOLD);
	buf_addf(p->out, "Last jobs              %sresult%s",
	    dated ? "ended            " : "",
	    sized ? "    took             size" : "");
	term_style(p->t, p->out, TERM_PLAIN);
	end_line(p);
	for (int i = 0; i < s->past_count && (rows == 0 || p->rows < rows); i++)
		add_past(p, &s->past[i], i == 0);
}

/* What the last job that is over failed of may be what doctor looks at; not
 * so what the agent itself has a sentence for. */
static void add_trouble(struct page *p, const struct status *s)
{
	const char *word;
	if (p->trouble || (s->past_count > 0 && s->past[0].reason == NULL &&
			      style_of(&s->past[0], &word) == TERM_RED))
		add_text(p, "Trouble", TERM_YELLOW,
		    "bbs-agent doctor (as root) looks at each link and says "
		    "what to do");
}

/* A low window holds the first rows only. */
static size_t end_of_rows(const char *lines, unsigned rows)
{
	const char *end = lines;
	while (rows-- > 0 && *end != '\0') {
		end += strcspn(end, "\n");
		end += *end == '\n';
	}
	return (size_t)(end - lines);
}

void status_lines(const struct term *t, const struct status *s, int64_t now,
    unsigned rows, struct buf *out)
{
	struct buf whole = BUF_INIT(STATUS_FILE_MAX);
	struct page p = {.t = t,
	    .out = &whole,
	    .now = now,
	    .width = t->tty ? t->cols : TERM_WHOLE};
	add_title(&p, s);
	add_server(&p, s);
	add_ssh(&p, s);
	add_borg(&p, s);
	add_reports(&p, s);
	add_policy(&p, s);
	add_sandbox(&p, s);
	if (s->update != NULL)
		add_text(&p, "Update", TERM_PLAIN, s->update);
	add_trouble(&p, s);
	end_line(&p);
	add_job(&p, s);
	add_history(&p, s, rows);
	buf_add(out, buf_str(&whole),
	    rows != 0 ? end_of_rows(buf_str(&whole), rows) : whole.len);
	buf_release(&whole);
}
