/*
 * Frames over a real socket pair: cut at every byte, with descriptors in
 * every position, and from a peer that lies.
 */
#include "base/frame.h"
#include "base/limits.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX (1u * MIB)

static struct frame_link a, b;

static int setup(void **state)
{
	(void)state;
	int socks[2];
	if (frame_pair(socks) != 0)
		return -1;
	frame_link_init(&a, socks[0], MAX);
	frame_link_init(&b, socks[1], MAX);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	frame_link_release(&a);
	frame_link_release(&b);
	frame_link_release(&b);
	return 0;
}

static int open_fds(void)
{
	int n = 0;
	DIR *d = opendir("/proc/self/fd");
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* Bytes on the wire that frame_send would not write. */
static void send_raw_with(const void *bytes, size_t len, int fd, size_t fds)
{
	struct iovec part = {(void *)(uintptr_t)bytes, len};
	struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
	char control[CMSG_SPACE(3 * sizeof(int))] = {0};
	if (fd >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fds * sizeof(int));
		msg.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		const int three[3] = {fd, fd, fd};
		memcpy(CMSG_DATA(c), three, fds * sizeof(int));
	}
	assert_int_equal(sendmsg(a.sock, &msg, 0), len);
}

static void send_raw(const void *bytes, size_t len, int fd)
{
	send_raw_with(bytes, len, fd, 3);
}

static void there_and_back(void **state)
{
	(void)state;
	struct frame f;
	assert_int_equal(frame_next(&b, &f), 0);
	assert_int_equal(frame_fill(&b), 0);
	assert_int_equal(frame_send(&a, 7, "hello", 5, -1), 0);
	assert_int_equal(frame_send(&a, 8, NULL, 0, -1), 0);
	assert_int_equal(frame_fill(&b), 1);
	assert_int_equal(frame_next(&b, &f), 1);
	assert_int_equal(f.type, 7);
	assert_int_equal(f.len, 5);
	assert_int_equal(f.fd, -1);
	assert_memory_equal(f.data, "hello", 5);
	assert_int_equal(frame_next(&b, &f), 1);
	assert_int_equal(f.type, 8);
	assert_int_equal(f.len, 0);
	assert_int_equal(frame_next(&b, &f), 0);
	assert_int_equal(fcntl(b.sock, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void comes_byte_by_byte(void **state)
{
	(void)state;
	struct frame f;
	const uint32_t wire[3] = {4, 9, 0x64636261};
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < sizeof(wire); i++) {
			assert_int_equal(frame_next(&b, &f), 0);
			send_raw((const char *)wire + i, 1, -1);
			assert_int_equal(frame_fill(&b), 1);
		}
		assert_int_equal(frame_next(&b, &f), 1);
		assert_int_equal(f.type, 9);
		assert_int_equal(f.len, 4);
	}
}

static void check_pattern(const char *p, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)p[i] != (unsigned char)(i * 7 + seed))
			fail_msg("byte %zu of %zu", i, len);
}

static char *pattern(size_t len, unsigned seed)
{
	char *p = malloc(len + 1);
	for (size_t i = 0; i < len; i++)
		p[i] = (char)(i * 7 + seed);
	return p;
}

/* More than a socket holds: queued, flushed as the peer reads, given back. */
static void queues_what_is_not_taken(void **state)
{
	(void)state;
	char *large = pattern(MAX, 3);
	struct frame f;
	assert_int_equal(frame_send(&a, 1, large, MAX, -1), 0);
	assert_int_equal(frame_flush(&a), 1);
	assert_int_equal(frame_send(&a, 2, "small", 5, -1), 0);
	assert_int_equal(frame_drain(&a, 20), -1);
	int got = 0;
	for (int i = 0; got < 2 && i < 100000; i++) {
		assert_true(frame_flush(&a) >= 0);
		assert_true(frame_fill(&b) >= 0);
		while (frame_next(&b, &f) == 1) {
			got++;
			assert_int_equal(f.type, got);
			if (got == 1) {
				assert_int_equal(f.len, MAX);
				check_pattern(f.data, f.len, 3);
			}
		}
	}
	assert_int_equal(got, 2);
	assert_int_equal(frame_drain(&a, 0), 0);
	assert_true(a.out.cap <= FRAME_KEEP);
	assert_true(b.in.cap <= FRAME_KEEP);
	free(large);
}

static void queue_is_capped(void **state)
{
	(void)state;
	char *large = pattern(MAX, 0);
	int sent = 0;
	assert_int_equal(frame_send(&a, 1, large, MAX + 1, -1), -1);
	while (frame_send(&a, 1, large, MAX, -1) == 0)
		sent++;
	assert_in_range(sent, 1, 3);
	assert_true(a.out.len <= a.out.max);
	/* A refused frame leaves no half of itself behind. */
	struct frame f;
	int got = 0;
	for (int i = 0; got < sent && i < 100000; i++) {
		assert_true(frame_flush(&a) >= 0);
		assert_true(frame_fill(&b) >= 0);
		while (frame_next(&b, &f) == 1) {
			check_pattern(f.data, f.len, 0);
			got++;
		}
	}
	assert_int_equal(got, sent);
	assert_int_equal(frame_send(&a, 5, "x", 1, -1), 0);
	assert_int_equal(frame_wait(&b, &f, 1000), 1);
	assert_int_equal(f.type, 5);
	free(large);
}

static int memory_file(int number)
{
	char path[] = "/tmp/frame-XXXXXX", text[16];
	int fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	unlink(path);
	int n = snprintf(text, sizeof(text), "%d", number);
	assert_int_equal(write(fd, text, (size_t)n), n);
	return fd;
}

static int number_in(int fd)
{
	char text[16] = "";
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	close(fd);
	return atoi(text);
}

/* Each descriptor must arrive with its own frame, whatever stands around. */
static void descriptors_keep_to_their_frames(void **state)
{
	(void)state;
	int before = open_fds(), got = 0;
	struct frame f;
	char *data = pattern(40000, 0);
	for (int i = 0; i < 40;) {
		int fd = i % 3 == 0 ? memory_file(i) : -1;
		size_t len = (size_t)(i * 977) % 40000;
		int rc = frame_send(&a, (uint32_t)i, data, len, fd);
		if (rc != 0)
			assert_int_equal(errno, fd >= 0 ? EAGAIN : ENOBUFS);
		if (fd >= 0)
			close(fd);
		i += rc == 0;
		/* Several frames often wait for one read. */
		if (rc == 0 && i % 4 != 0)
			continue;
		assert_true(frame_flush(&a) >= 0);
		assert_true(frame_fill(&b) >= 0);
		while (frame_next(&b, &f) == 1) {
			assert_int_equal(f.type, got);
			assert_int_equal(f.fd >= 0, got % 3 == 0);
			if (f.fd >= 0)
				assert_int_equal(number_in(f.fd), got);
			check_pattern(f.data, f.len, 0);
			got++;
		}
	}
	while (
	    got < 40 && frame_flush(&a) >= 0 && frame_wait(&b, &f, 100) == 1) {
		assert_int_equal(f.fd >= 0, got % 3 == 0);
		if (f.fd >= 0)
			assert_int_equal(number_in(f.fd), got);
		got++;
	}
	assert_int_equal(got, 40);
	assert_int_equal(open_fds(), before);
	free(data);
}

/* The rest of one frame and the whole next one, each with its descriptor,
 * wait in the socket together. */
static void two_descriptors_wait_at_once(void **state)
{
	(void)state;
	struct frame f;
	char rest[100] = "";
	const uint32_t wire[2] = {0x80000000u | sizeof(rest), 1};
	for (int i = 0; i < 2; i++) {
		int fd = memory_file(i);
		send_raw_with(wire, sizeof(wire), fd, 1);
		close(fd);
		if (i == 0)
			assert_int_equal(frame_fill(&b), 1);
		send_raw(rest, sizeof(rest), -1);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(frame_wait(&b, &f, 1000), 1);
		assert_int_equal(f.len, sizeof(rest));
		assert_int_equal(number_in(f.fd), i);
	}
}

static void too_long_is_refused(void **state)
{
	(void)state;
	struct frame f;
	const uint32_t wire[2] = {MAX + 1, 1};
	send_raw(wire, sizeof(wire), -1);
	assert_int_equal(frame_fill(&b), 1);
	assert_int_equal(frame_next(&b, &f), -1);
	assert_int_equal(frame_fill(&b), -1);
	assert_true(b.in.cap <= FRAME_KEEP);
}

static void announced_is_not_allocated(void **state)
{
	(void)state;
	struct frame f;
	const uint32_t wire[2] = {MAX, 1};
	send_raw(wire, sizeof(wire), -1);
	assert_int_equal(frame_fill(&b), 1);
	assert_int_equal(frame_next(&b, &f), 0);
	assert_int_equal(frame_fill(&b), 0);
	assert_true(b.in.cap <= FRAME_KEEP);
}

static void announced_descriptor_must_come(void **state)
{
	(void)state;
	struct frame f;
	const uint32_t wire[2] = {0x80000000u, 1};
	send_raw(wire, sizeof(wire), -1);
	assert_int_equal(frame_fill(&b), 1);
	assert_int_equal(frame_next(&b, &f), -1);
	/* Whoever reads as long as something comes must come to an end. */
	assert_int_equal(frame_fill(&b), -1);
}

static void unexpected_descriptors_are_closed(void **state)
{
	(void)state;
	int before = open_fds();
	struct frame f;
	const uint32_t wire[2] = {0, 1};
	int fd = memory_file(1);
	send_raw(wire, sizeof(wire), fd); /* three of them, none announced */
	close(fd);
	if (frame_fill(&b) == 1)
		while (frame_next(&b, &f) == 1)
			assert_int_equal(f.fd, -1);
	frame_link_release(&b);
	frame_link_release(&a);
	assert_int_equal(open_fds(), before - 2);
}

static void a_second_descriptor_breaks_the_link(void **state)
{
	(void)state;
	int before = open_fds();
	struct frame f;
	const uint32_t wire[2] = {0x80000000u | 100, 1};
	int fd = memory_file(1);
	send_raw(wire, sizeof(wire), fd);
	send_raw("x", 1, fd);
	close(fd);
	assert_int_equal(frame_fill(&b), 1);
	assert_int_equal(frame_next(&b, &f), 0);
	assert_int_equal(frame_fill(&b), -1);
	frame_link_release(&b);
	frame_link_release(&a);
	assert_int_equal(open_fds(), before - 2);
}

static void notices_a_dead_peer(void **state)
{
	(void)state;
	struct frame f;
	assert_int_equal(frame_send(&a, 3, "last", 4, -1), 0);
	frame_link_release(&a);
	assert_int_equal(frame_wait(&b, &f, 1000), 1);
	assert_int_equal(f.type, 3);
	assert_int_equal(frame_wait(&b, &f, 1000), -1);
	assert_int_equal(frame_fill(&b), -1);
	assert_int_equal(frame_send(&b, 1, "x", 1, -1), -1);
}

static void waits_no_longer_than_told(void **state)
{
	(void)state;
	struct frame f;
	assert_int_equal(frame_wait(&b, &f, 0), 0);
	assert_int_equal(frame_wait(&b, &f, 30), 0);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(there_and_back),
	    TEST(comes_byte_by_byte),
	    TEST(queues_what_is_not_taken),
	    TEST(queue_is_capped),
	    TEST(descriptors_keep_to_their_frames),
	    TEST(two_descriptors_wait_at_once),
	    TEST(too_long_is_refused),
	    TEST(announced_is_not_allocated),
	    TEST(announced_descriptor_must_come),
	    TEST(unexpected_descriptors_are_closed),
	    TEST(a_second_descriptor_breaks_the_link),
	    TEST(notices_a_dead_peer),
	    TEST(waits_no_longer_than_told),
	};
	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
