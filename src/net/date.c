/*
 * Days are counted from March on, in eras of 400 years, so that the leap day
 * is the last of its year and no table of months is needed.
 */
#include "net/date.h"
#include "base/digits.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int64_t date_days(int64_t year, int month, int day)
{
	int64_t era, of_era, of_year;

	year -= month <= 2;
	era = (year >= 0 ? year : year - 399) / 400;
	of_era = year - era * 400;
	of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
	       of_year - 719468;
}

int64_t date_seconds(
    int year, int month, int day, int hour, int minute, int second)
{
	static const int lengths[] = {
	    31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 ||
	    hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
	    second > 60)
		return INT64_MIN;
	if (day > lengths[month - 1] + (month == 2 && leap ? 1 : 0))
		return INT64_MIN;
	if (second == 60)
		second = 59;
	return date_days(year, month, day) * 86400 + hour * 3600 + minute * 60 +
	       second;
}

const char *date_text(char dst[DATE_TEXT], int64_t seconds)
{
	int64_t days = seconds / 86400 - (seconds % 86400 < 0 ? 1 : 0) + 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t of_era = days - era * 146097;
	int64_t years =
	    (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
	int64_t shifted = (5 * of_year + 2) / 153;
	int day = (int)(of_year - (153 * shifted + 2) / 5 + 1);
	int month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
	int year = (int)(years + era * 400 + (month <= 2 ? 1 : 0));

	snprintf(dst, DATE_TEXT, "%04d-%02d-%02d", year, month, day);
	return dst;
}

int date_http(const char *text, int64_t *seconds)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char month[4] = "";
	const char *found;
	int64_t value;

	if (strlen(text) != 29 || strcmp(text + 25, " GMT") != 0 ||
	    text[3] != ',' || text[4] != ' ' || text[7] != ' ' ||
	    text[11] != ' ' || text[16] != ' ' || text[19] != ':' ||
	    text[22] != ':')
		return -1;
	memcpy(month, text + 8, 3);
	found = strstr(names, month);
	if (found == NULL || (found - names) % 3 != 0)
		return -1;
	value = date_seconds(digits_decimal(text + 12, 4),
	    (int)(found - names) / 3 + 1, digits_decimal(text + 5, 2),
	    digits_decimal(text + 17, 2), digits_decimal(text + 20, 2),
	    digits_decimal(text + 23, 2));
	if (value == INT64_MIN)
		return -1;
	*seconds = value;
	return 0;
}
