/*
 * Calendar dates (Gregorian, UTC) and seconds since 1970, without the C
 * library's locale and time zone. Pure.
 */
#ifndef NET_DATE_H
#define NET_DATE_H

#include <stddef.h>
#include <stdint.h>

/* Seconds since 1970, or INT64_MIN when that date or time does not exist.
 * month 1 to 12; a second of 60 counts as 59. */
int64_t date_seconds(
    int year, int month, int day, int hour, int minute, int second);
/* "2026-01-02" into dst; returns dst. */
#define DATE_TEXT 24
const char *date_text(char dst[DATE_TEXT], int64_t seconds);
/* An HTTP date, "Sun, 06 Nov 1994 08:49:37 GMT": 0 or -1. */
int date_http(const char *text, int64_t *seconds);

#endif
