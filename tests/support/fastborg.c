/*
 * A borg that does nothing but write its log as fast as the pipe takes it:
 * fastborg create ... with FASTBORG_LINES in the environment, one file_status
 * each; the paths are FASTBORG_PATH and a number. For the speed of the agent,
 * not of borg. Prints the summary and how long it took at the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	static char buffer[1 << 16];
	const char *path = getenv("FASTBORG_PATH");
	const char *text = getenv("FASTBORG_LINES");
	long lines = text != NULL ? strtol(text, NULL, 10) : 1000;

	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		puts("borg 1.2.4");
		return 0;
	}
	setvbuf(stderr, buffer, _IOFBF, sizeof(buffer));
	for (long i = 0; i < lines; i++)
		fprintf(stderr,
		    "{\"type\": \"file_status\", \"status\": \"A\", "
		    "\"path\": \"%s%06ld\"}\n",
		    path != NULL ? path : "/nonexistent/file", i);
	fflush(stderr);
	printf("{\"archive\": {\"stats\": {\"nfiles\": %ld, "
	       "\"original_size\": 1, \"deduplicated_size\": 1}}}\n",
	    lines);
	return 0;
}
