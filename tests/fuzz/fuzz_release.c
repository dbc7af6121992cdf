/* A release's list and its signature, judged by keys that came along. Input:
 * u8 that spoils the list, u16 length of the keys, u16 length of the list,
 * keys, list, signature. */
#include "base/limits.h"
#include "bbs/release.h"
#include "fuzz.h"
#include <string.h>

#define HEAD 5

static void take(struct buf *to, const uint8_t **at, size_t *left, size_t len)
{
	len = len < *left ? len : *left;
	buf_add(to, (const char *)*at, len);
	*at += len;
	*left -= len;
}

/* What is installed is whole and of this form; nothing else is taken. */
static void read_list(const struct buf *list)
{
	struct buf why = BUF_INIT(4 * KIB);
	struct release r;
	if (release_parse(&r, list, &why) == 0) {
		FUZZ_HOLDS(release_is_version(r.version));
		FUZZ_HOLDS(strspn(r.sum, "0123456789abcdef") == HASH_HEX - 1);
		FUZZ_HOLDS(release_compare(r.version, r.version) == 0);
		FUZZ_HOLDS(release_compare(r.version, "0.0.0") >= 0);
		FUZZ_HOLDS(strlen(buf_str(list)) == list->len);
	} else {
		FUZZ_HOLDS(why.len > 0);
	}
	buf_release(&why);
}

/* A signature is good for one text alone. */
static void verify(
    const char *keys, struct buf *list, const struct buf *sig, uint8_t spoil)
{
	struct buf why = BUF_INIT(4 * KIB);
	if (release_verify(keys, list, sig, &why) == 0) {
		FUZZ_HOLDS(why.len == 0 && sig->len >= 8);
		list->data[spoil % list->len] ^= 1;
		FUZZ_HOLDS(release_verify(keys, list, sig, &why) != 0);
	}
	FUZZ_HOLDS(why.len > 0);
	buf_release(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf keys = BUF_INIT(KEY_FILE_MAX),
		   list = BUF_INIT(CHECKSUMS_MAX);
	struct buf sig = BUF_INIT(RELEASE_SIGNATURE_MAX);
	if (len < HEAD)
		return 0;
	size_t keys_len = (size_t)data[1] << 8 | data[2];
	size_t list_len = (size_t)data[3] << 8 | data[4];
	const uint8_t *at = data + HEAD;
	size_t left = len - HEAD;
	take(&keys, &at, &left, keys_len);
	take(&list, &at, &left, list_len);
	take(&sig, &at, &left, left);
	read_list(&list);
	if (list.len > 0)
		verify(buf_str(&keys), &list, &sig, data[0]);
	buf_release(&keys);
	buf_release(&list);
	buf_release(&sig);
	return 0;
}
