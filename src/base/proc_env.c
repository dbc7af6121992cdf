/* An environment block of our own: copied, changed, handed to a child. */
#include "base/proc.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t env_count(char *const *env)
{
	size_t n = 0;
	while (env[n] != NULL)
		n++;
	return n;
}

/* Is entry NAME=...? Then its value. */
static const char *env_value(const char *entry, const char *name)
{
	size_t n = strlen(name);
	if (strncmp(entry, name, n) != 0 || entry[n] != '=')
		return NULL;
	return entry + n + 1;
}

static void env_wipe(char *entry)
{
	mem_wipe(entry, strlen(entry));
	free(entry);
}

char **proc_env_new(void)
{
	static char *none[] = {NULL};
	char **from = environ != NULL ? environ : none;
	size_t n = env_count(from);
	char **env = calloc(n + 1, sizeof(*env));
	for (size_t i = 0; env != NULL && i < n; i++) {
		env[i] = strdup(from[i]);
		if (env[i] == NULL) {
			proc_env_free(env);
			env = NULL;
		}
	}
	return env;
}

/* Removes every entry of that name. */
static void env_unset(char **env, const char *name)
{
	size_t kept = 0;
	for (size_t i = 0; env[i] != NULL; i++) {
		if (env_value(env[i], name) != NULL)
			env_wipe(env[i]);
		else
			env[kept++] = env[i];
	}
	env[kept] = NULL;
}

int proc_env_set(char ***env, const char *name, const char *value)
{
	if (value == NULL) {
		env_unset(*env, name);
		return 0;
	}
	size_t n = strlen(name), m = strlen(value);
	char *entry = malloc(n + 1 + m + 1);
	if (entry == NULL)
		return -1;
	memcpy(entry, name, n);
	entry[n] = '=';
	memcpy(entry + n + 1, value, m + 1);
	env_unset(*env, name);
	size_t count = env_count(*env);
	char **longer = realloc(*env, (count + 2) * sizeof(*longer));
	if (longer == NULL) {
		env_wipe(entry);
		return -1;
	}
	longer[count] = entry;
	longer[count + 1] = NULL;
	*env = longer;
	return 0;
}

const char *proc_env_get(char *const *env, const char *name)
{
	for (size_t i = 0; env != NULL && env[i] != NULL; i++) {
		const char *value = env_value(env[i], name);
		if (value != NULL)
			return value;
	}
	return NULL;
}

void proc_env_free(char **env)
{
	for (size_t i = 0; env != NULL && env[i] != NULL; i++)
		env_wipe(env[i]);
	free(env);
}
