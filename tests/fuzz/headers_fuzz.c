/*
 * The values of response headers: whatever a server sends, a parser reads only what is there and
 * its results keep their promises; what it takes for a Content-Range reads back from its numbers.
 */
#include "transfer/headers.h"

#include "fuzz.h"

static void check_content_range(const char *value) {
    int64_t first = -7, last = -7, total = -7;
    if (!header_content_range(value, &first, &last, &total)) {
        must(first == -7 && last == -7 && total == -7);
        return;
    }
    must(first >= 0 && first <= last && (total == -1 || last < total));
    char text[100];
    int64_t again[3];
    if (total >= 0)
        snprintf(text, sizeof text, "bytes %lld-%lld/%lld", (long long)first, (long long)last,
                 (long long)total);
    else
        snprintf(text, sizeof text, "bytes %lld-%lld/*", (long long)first, (long long)last);
    must(header_content_range(text, &again[0], &again[1], &again[2]));
    must(again[0] == first && again[1] == last && again[2] == total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *value = memory_copy((const char *)data, size);
    check_content_range(value);
    int64_t after = header_retry_after(value, 1e9);
    must(after >= -1);
    int64_t limit = header_rate_limit(value);
    must(limit >= -1 && (limit <= 0 || limit % 1000 == 0));
    must(retry_delay_ms(2, after) >= 500 && retry_delay_ms(2, after) <= 300000);
    must(retry_delay_ms(9, limit) >= 4000 && retry_delay_ms(9, limit) <= 300000);
    memory_free(value);
    return 0;
}
