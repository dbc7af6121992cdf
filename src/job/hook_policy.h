/* Which scripts may run on this host. README: [policy] hooks. */
#ifndef JOB_HOOK_POLICY_H
#define JOB_HOOK_POLICY_H

#include "base/words.h"
#include "bbs/config.h"

/* Takes a script's command line apart, and judges it as far as that can be
 * done without looking at the disk. 0; -1 with a sentence in why. The words
 * are for words_release in both cases. */
int hook_policy_words(const struct config *c, const char *line,
    struct words *words, struct buf *why);
/* Judges the program on the disk, right before it runs: links are resolved.
 * 0 with *file, what is to be executed (to be freed); -1 with a sentence in
 * why, and *missing when there is no such file rather than no permission. */
int hook_policy_file(const struct config *c, const char *program, char **file,
    bool *missing, struct buf *why);

#endif
