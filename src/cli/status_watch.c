/*
 * The screen that is kept: drawn over itself once a second on the terminal's
 * second screen, so that nothing flickers and the first one comes back as it
 * was. Without such a terminal, the text again whenever the agent tells
 * something new.
 */
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/signals.h"
#include "cli/status.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#define DRAW_EVERY_MS 1000

struct watch {
	const struct paths *paths;
	struct term term;
	int signals;
	bool keys; /* standard input is a terminal */
	struct termios before;
	struct buf frame, drawn;
	bool over;
};

/* The second screen, no cursor, no lines that wrap; and back. */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

static void say(struct watch *w, const char *text, size_t len)
{
	if (file_write_all(STDOUT_FILENO, text, len) != 0)
		w->over = true;
}

static void enter(struct watch *w)
{
	struct termios raw;
	w->keys = tcgetattr(STDIN_FILENO, &w->before) == 0;
	if (w->keys) {
		raw = w->before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		raw.c_cc[VMIN] = 1;
		raw.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	if (w->term.moves)
		say(w, ENTER, sizeof(ENTER) - 1);
	buf_reset(&w->drawn);
}

static void leave(struct watch *w)
{
	if (w->term.moves)
		say(w, LEAVE, sizeof(LEAVE) - 1);
	if (w->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &w->before);
}

/* What clears a line comes before its text: behind a full one, since lines do
 * not wrap, it would take the last column. The last line has no end, with
 * which the window would scroll. */
static void add_screen(struct buf *out, const char *lines, unsigned rows)
{
	unsigned row = 0;
	buf_adds(out, "\033[H");
	for (; row < rows && *lines != '\0'; row++) {
		size_t n = strcspn(lines, "\n");
		buf_adds(out, row > 0 ? "\r\n\033[K" : "\033[K");
		buf_add(out, lines, n);
		lines += n + (lines[n] == '\n');
	}
	if (row < rows)
		buf_adds(out, "\r\n\033[J");
}

static void add_look(
    struct watch *w, const struct status_look *look, struct buf *lines)
{
	unsigned rows = w->term.moves ? w->term.rows : 0;
	if (look->told)
		status_lines(&w->term, &look->s, clock_wall(),
		    rows > 1 ? rows - 1 : rows, lines);
	else
		term_wrap(&w->term, lines, buf_str(&look->why), 0);
	if (rows == 0 && !look->told)
		buf_addc(lines, '\n');
	if (rows > 1)
		buf_adds(lines, look->told ? "q ends" : "\n\nq ends");
}

static void draw(struct watch *w)
{
	struct status_look look;
	struct buf lines = BUF_INIT(STATUS_FILE_MAX);
	status_look(w->paths, &look);
	term_look(&w->term, STDOUT_FILENO);
	add_look(w, &look, &lines);
	buf_reset(&w->frame);
	if (w->term.moves)
		add_screen(&w->frame, buf_str(&lines), w->term.rows);
	else if (look.told)
		/* Ages change all the time; what the agent tells counts. */
		buf_add(&w->frame, look.text.data, look.text.len);
	else
		buf_adds(&w->frame, buf_str(&look.why));
	if (w->frame.len != w->drawn.len ||
	    memcmp(buf_str(&w->frame), buf_str(&w->drawn), w->frame.len) != 0) {
		const struct buf *what = w->term.moves ? &w->frame : &lines;
		if (!w->term.moves && w->drawn.len > 0)
			say(w, "\n", 1);
		say(w, buf_str(what), what->len);
		buf_reset(&w->drawn);
		buf_add(&w->drawn, buf_str(&w->frame), w->frame.len);
	}
	buf_release(&lines);
	status_look_release(&look);
}

static void take_key(struct watch *w)
{
	char keys[64];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));
	if (n <= 0 && errno != EINTR && errno != EAGAIN)
		w->over = true;
	for (ssize_t i = 0; i < n; i++) {
		/* Ctrl-C comes so where the terminal makes no signal of it. */
		if (keys[i] == 'q' || keys[i] == 'Q' || keys[i] == '\003')
			w->over = true;
	}
}

static void take_signal(struct watch *w)
{
	struct signalfd_siginfo info;
	if (read(w->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGTSTP) {
		leave(w);
		raise(SIGSTOP);
		enter(w);
	} else if (info.ssi_signo == SIGWINCH) {
		buf_reset(&w->drawn);
	} else if (info.ssi_signo != SIGCONT) {
		w->over = true;
	}
}

static int open_signals(void)
{
	static const int wanted[] = {
	    SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};
	return signals_open(wanted, sizeof(wanted) / sizeof(wanted[0]));
}

int status_watch(const struct paths *p)
{
	struct watch w = {.paths = p, .signals = open_signals()};
	buf_init(&w.frame, STATUS_FILE_MAX);
	buf_init(&w.drawn, STATUS_FILE_MAX);
	term_look(&w.term, STDOUT_FILENO);
	enter(&w);
	while (!w.over && w.signals >= 0) {
		draw(&w);
		struct pollfd fds[2] = {{w.signals, POLLIN, 0},
		    {w.keys ? STDIN_FILENO : -1, POLLIN, 0}};
		if (w.over || poll(fds, 2, DRAW_EVERY_MS) < 0)
			continue;
		if (fds[0].revents != 0)
			take_signal(&w);
		if (fds[1].revents != 0)
			take_key(&w);
	}
	leave(&w);
	close(w.signals);
	buf_release(&w.frame);
	buf_release(&w.drawn);
	return EXIT_DONE;
}
