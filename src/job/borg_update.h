/* A new borg: fetched, verified, proven, installed. PROTOCOL: "update_borg". */
#ifndef JOB_BORG_UPDATE_H
#define JOB_BORG_UPDATE_H

#include "job/worker.h"

void borg_update_run(struct worker *w);
/* Is this the text of NixOS's os-release? Foreign programs do not run there. */
bool borg_update_is_nixos(const char *os_release);

#endif
