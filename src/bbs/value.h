/* Single values of config.ini, in any case. Each returns 0 or -1. */
#ifndef BBS_VALUE_H
#define BBS_VALUE_H

#include "base/log.h"
#include <stdbool.h>
#include <stdint.h>

/* yes, true, on, 1 and their opposites. */
int value_bool(const char *value, bool *out);
/* Position of value in a NULL-terminated list, -1 when it is not there. */
int value_word(const char *value, const char *const *words);
/* DEBUG, INFO, WARNING (WARN), ERROR (CRITICAL). */
int value_level(const char *value, enum log_level *out);
/* One or two SHA-256 sums, each 64 hex digits or base64 (with or without
 * "sha256//" before it), separated by spaces or commas. */
int value_pins(const char *value, uint8_t pins[2][32], int *count);

#endif
