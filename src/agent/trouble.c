/*
 * The pauses between failures and the calm of the log: an outage of a day is
 * a line at its start, one an hour, and a line at its end.
 */
#include "agent/trouble.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define REMIND_MS (3600u * 1000u)

/* pause, give or take a quarter: clients must not come back all at once. */
static uint64_t with_jitter(uint64_t pause)
{
	uint32_t r = 0;
	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != (ssize_t)sizeof(r))
		r = (uint32_t)pause;
	return pause - pause / 4 + r % (pause / 2 + 1);
}

void trouble_add(struct trouble *t, enum log_level level, const char *text,
    int first_pause, uint32_t retry_after, uint64_t now)
{
	char cut[sizeof(t->text)];
	text_copy(cut, sizeof(cut), text);
	if (t->failures == 0)
		t->since = now;
	if (strcmp(cut, t->text) != 0 || now - t->said_at >= REMIND_MS) {
		log_at(level, "%s", text);
		text_copy(t->text, sizeof(t->text), cut);
		t->said_at = now;
	} else {
		log_debug("again: %s", text);
	}

	uint64_t pause = (uint64_t)first_pause * 1000u;
	for (unsigned i = 0;
	     i < t->failures && pause < TROUBLE_PAUSE_MAX * 1000u; i++)
		pause *= 2;
	if (pause > TROUBLE_PAUSE_MAX * 1000u)
		pause = TROUBLE_PAUSE_MAX * 1000u;
	pause = with_jitter(pause);
	if (pause > TROUBLE_PAUSE_MAX * 1000u)
		pause = TROUBLE_PAUSE_MAX * 1000u;
	if (retry_after > TROUBLE_RETRY_AFTER_MAX)
		retry_after = TROUBLE_RETRY_AFTER_MAX;
	if (pause < retry_after * 1000u)
		pause = retry_after * 1000u;
	t->hold_until = now + pause;
	t->failures++;
}

void trouble_end(struct trouble *t, uint64_t now)
{
	if (t->failures > 0 && t->text[0] != '\0') {
		char time[TEXT_AMOUNT];
		text_duration(time, (now - t->since) / 1000);
		log_info("the server answers again (after %s)", time);
	}
	memset(t, 0, sizeof(*t));
}
