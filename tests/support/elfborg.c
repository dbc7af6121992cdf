/*
 * A borg of the tests' own: a real ELF program of over 1 MiB that behaves
 * like borg where a new one is tried. VERSION is what it says it is, BROKEN
 * the command that fails.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "1.4.1"
#endif
#ifndef BROKEN
#define BROKEN "none"
#endif

/* Not zero, so that it lies in the file. */
#ifndef PADDING
#define PADDING (1100 * 1024)
#endif
const volatile char padding[PADDING] = {1};

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (strcmp(verb, BROKEN) == 0) {
		fprintf(stderr, "some frames\nlibfoo.so: cannot open\n");
		return 2;
	}
	if (strcmp(verb, "--version") == 0)
		printf("borg %s\n", VERSION);
	else if (strcmp(verb, "init") == 0)
		return mkdir(argv[argc - 1], 0700) != 0;
	else if (strcmp(verb, "create") == 0)
		return strncmp(argv[2], "repo::", 6) != 0 || rmdir("repo") != 0;
	else if (strcmp(verb, "help") != 0)
		return 2;
	return padding[0] != 1;
}
