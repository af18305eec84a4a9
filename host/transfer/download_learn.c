#include "transfer/download_internal.h"

#include "base/memory.h"

#include <string.h>

void fetch_learn_digest(struct fetch *fetch, enum digest_kind kind, const char *hex) {
    if (*fetch->hex || fetch->part)
        return;
    fetch->kind = kind;
    memcpy(fetch->hex, hex, strlen(hex) + 1);
    memory_free(fetch->identity);
    fetch->identity = memory_format("%s:%s", digest_name(kind), hex);
}

void fetch_learn_size(struct download *download, struct fetch *fetch, int64_t size) {
    int64_t before = fetch->size < 0 ? 0 : fetch->size;
    atomic_fetch_add(&download->progress->bytes_total, (size < 0 ? 0 : size) - before);
    fetch->size = size;
}

void fetch_learn_etag(struct fetch *fetch, const char *etag) {
    download_set_text(&fetch->seen, etag);
    if (!fetch->etag && !fetch->part)
        download_set_text(&fetch->etag, etag);
}

void fetch_renew(struct download *download, struct fetch *fetch, bool foreign, const char *etag,
                 int64_t size) {
    const struct plan_file *file = fetch->file;
    download_set_text(&fetch->seen, NULL);
    if (!foreign || !file->etag)
        download_set_text(&fetch->etag, etag);
    if (size >= 0)
        fetch_learn_size(download, fetch, size);
    if (file->hex)
        return;
    fetch->hex[0] = '\0';
    memory_free(fetch->identity);
    fetch->identity = prepare_identity(download, file);
}
