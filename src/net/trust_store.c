/*
 * The file of anchors, read. It comes from the supervisor and is believed,
 * but every offset is still checked: a mistake there must not become a read
 * beyond the map here.
 */
#include "net/trust.h"
#include "net/trust_file.h"
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

int trust_open(struct trust_store *store, int fd)
{
	struct trust_head head;
	struct stat st;
	void *map;

	memset(store, 0, sizeof(*store));
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) != 0 || st.st_size < (off_t)sizeof(head) ||
	    (uint64_t)st.st_size > UINT32_MAX)
		return -1;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -1;
	memcpy(&head, map, sizeof(head));
	store->map = map;
	store->len = (size_t)st.st_size;
	store->count = head.count;
	store->exact = head.exact != 0;
	if (head.magic == TRUST_MAGIC &&
	    head.count <=
		(store->len - sizeof(head)) / sizeof(struct trust_entry))
		return 0;
	trust_close(store);
	return -1;
}

void trust_close(struct trust_store *store)
{
	if (store->map != NULL)
		munmap((void *)(uintptr_t)store->map, store->len);
	memset(store, 0, sizeof(*store));
}

static struct trust_entry trust_entry(const struct trust_store *store, size_t i)
{
	struct trust_entry entry;

	memcpy(&entry,
	    store->map + sizeof(struct trust_head) + i * sizeof(entry),
	    sizeof(entry));
	return entry;
}

/* The first entry whose hash is not below this one. */
static size_t trust_seek(const struct trust_store *store, uint64_t hash)
{
	size_t low = 0, high = store->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (trust_entry(store, middle).hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int trust_find(const struct trust_store *store, const struct der *subject,
    size_t *at, struct cert *c)
{
	uint64_t hash = trust_hash(subject);
	size_t i = *at > 0 ? *at : trust_seek(store, hash);
	const char *why;

	for (; i < store->count; i++) {
		struct trust_entry entry = trust_entry(store, i);
		if (entry.hash != hash)
			return 0;
		if (entry.offset > store->len ||
		    entry.len > store->len - entry.offset ||
		    cert_parse(c, store->map + entry.offset, entry.len, &why) !=
			0 ||
		    !der_equal(&c->subject, subject))
			continue;
		*at = i + 1;
		return 1;
	}
	return 0;
}
