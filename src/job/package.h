/* The distribution's package manager: asked whose a file is, and, only where
 * config.ini allows it, told to install or update borg. */
#ifndef JOB_PACKAGE_H
#define JOB_PACKAGE_H

#include "job/short.h"

/* Does the file belong to a package? Then its name goes into owner, as the
 * package manager says it. */
bool package_owns(struct worker *w, const char *path, struct buf *owner);
/* Installs or updates borg by the package manager that is found. 0 when it
 * said that it did; -1, said in the job, with the end of what it wrote. */
int package_install(struct short_job *s);

#endif
