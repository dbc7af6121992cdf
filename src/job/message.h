/* What a worker and the supervisor say to each other: types of frames. */
#ifndef JOB_MESSAGE_H
#define JOB_MESSAGE_H

enum message {
	/* worker to supervisor */
	MESSAGE_PROGRESS = 1, /* struct progress, packed; the newest counts */
	MESSAGE_LOG,	      /* level, text: for the server's log */
	MESSAGE_CHILD,	      /* group, start time; 0: none any more */
	MESSAGE_FINAL,	      /* flags: our SSH key was refused, the report
				 lies in the spool; its numbers and gist; and
				 itself, where it lies nowhere */
	MESSAGE_SYSINFO,      /* stamp of borg, the body of register and info,
				 why borg cannot be used or "" */
	MESSAGE_BORG,	      /* stamp of borg (bbs/borgbin.h) */
	MESSAGE_SSH_TEST,     /* enum ssh_test, sentence */
	MESSAGE_AFTER,	      /* ms that the worker may go on when it is told
				 to stop; before FINAL: behind that */
	MESSAGE_FETCH,	      /* most bytes, url; with an open file */
	MESSAGE_RENEW,	      /* this host changed: info before the report */

	/* supervisor to worker */
	MESSAGE_CANCEL,	   /* enum stop_reason */
	MESSAGE_DELIVERED, /* the server has the final report */
	MESSAGE_FETCHED,   /* done, HTTP status (0: no answer), a sentence */

	/* worker to supervisor; numbers stay what they are */
	MESSAGE_STUCK, /* group, start time: killed, and still there */
	MESSAGE_HOST   /* as SYSINFO, while borg was not asked yet: no stamp */
};

/* Why a job is to stop. */
enum stop_reason {
	STOP_NONE,
	STOP_CANCELLED, /* somebody pressed cancel */
	STOP_SERVICE,	/* the agent is being stopped */
	STOP_ORPHANED,	/* the supervisor is gone */
	STOP_GIVEN_UP,	/* the server calls it stalled */
	STOP_STALLED,	/* no CPU and no I/O for two hours */
	STOP_TOO_LONG	/* [borg] max_hours */
};

/* How the connection test ended. */
enum ssh_test {
	SSH_TEST_OK,	/* pong, or "command not allowed" */
	SSH_TEST_STALE, /* Permission denied: the key is no longer right */
	SSH_TEST_FAILED /* the network, or no ssh client */
};

#endif
