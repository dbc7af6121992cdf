/*
 * The table of the aids and their places. No directory is made for one: where
 * there is none, nothing would read the file. A file of that name which is
 * somebody else's (a package's) stays.
 */
#include "setup/aids.h"
#include "base/file.h"
#include "base/limits.h"
#include "setup/beside.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The best place first. */
static const struct aid {
	char name[16]; /* beside the program */
	char place[56];
} aids[] = {
    {"bbs-agent.8", "/usr/local/share/man/man8/bbs-agent.8"},
    {"bbs-agent.8", "/usr/share/man/man8/bbs-agent.8"},
    {"bbs-agent.bash",
	"/usr/local/share/bash-completion/completions/bbs-agent"},
    {"bbs-agent.bash", "/usr/share/bash-completion/completions/bbs-agent"},
    {"bbs-agent.bash", "/etc/bash_completion.d/bbs-agent"},
    {"bbs-agent.zsh", "/usr/local/share/zsh/site-functions/_bbs-agent"},
    {"bbs-agent.zsh", "/usr/share/zsh/vendor-completions/_bbs-agent"},
    {"bbs-agent.zsh", "/usr/share/zsh/site-functions/_bbs-agent"},
    {"bbs-agent.fish", "/usr/share/fish/vendor_completions.d/bbs-agent.fish"},
};
#define AIDS (sizeof(aids) / sizeof(aids[0]))

static char *place(const struct plan *p, const struct aid *a)
{
	const char *root = p->paths.root;
	return file_join(root[0] != '\0' ? root : "/", a->place);
}

/* Is the directory there that path lies in? */
static bool has_directory(char *path)
{
	struct stat st;
	char *slash = strrchr(path, '/');
	*slash = '\0';
	bool has = lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
	*slash = '/';
	return has;
}

/* Is it installed, or not to be? False: the next place may be the one. */
static bool install_one(const struct plan *p, const struct aid *a)
{
	struct buf data = BUF_INIT(AID_FILE_MAX), why = BUF_INIT(4 * KIB);
	struct stat st;
	char *path = place(p, a);
	bool done = path != NULL && has_directory(path);
	bool foreign = done && lstat(path, &st) == 0 && !service_is_ours(path);
	if (done && !foreign && beside_read(a->name, &data, &why) == 0) {
		steps_sweep(&p->steps, path);
		steps_file(&p->steps, path, &data, 0644, &why);
	}
	if (why.len > 0)
		steps_note("%s", buf_str(&why));
	free(path);
	buf_release(&data);
	buf_release(&why);
	return done;
}

void aids_install(const struct plan *p)
{
	const char *done = "";
	for (size_t i = 0; i < AIDS; i++) {
		if (strcmp(aids[i].name, done) != 0 && install_one(p, &aids[i]))
			done = aids[i].name;
	}
}

int aids_remove(const struct plan *p, struct buf *why)
{
	int rc = 0;
	for (size_t i = 0; i < AIDS; i++) {
		char *path = place(p, &aids[i]);
		if (path != NULL && service_is_ours(path)) {
			if (rc != 0)
				buf_adds(why, "\n");
			if (steps_remove(&p->steps, path, why) != 0)
				rc = -1;
		}
		if (path != NULL)
			steps_sweep(&p->steps, path);
		free(path);
	}
	return rc;
}
