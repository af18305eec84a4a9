#include "base/memory.h"
#include "transfer/download.h"

void download_refusal_free(struct download_refusal *refusal) {
    memory_free(refusal->path);
    memory_free(refusal->url);
    buffer_free(&refusal->headers);
    buffer_free(&refusal->body);
    *refusal = (struct download_refusal){0};
}
