/* The proof that a borg works here: it is run, in a directory of its own. */
#ifndef JOB_BORG_PROVE_H
#define JOB_BORG_PROVE_H

#include "job/short.h"

/* Runs the program at path: its version, its help, a repository made and an
 * archive written below dir. 0 with the version; -1, said in the job. */
int borg_prove(struct short_job *s, const char *path, const char *dir,
    struct buf *version);

#endif
