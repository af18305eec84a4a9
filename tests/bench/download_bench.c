/*
 * Downloads a list of URLs: download_bench LIST DIRECTORY [WORKERS] reads lines "url size path
 * [sha256]" and prints the seconds it took, the bytes, and the megabytes a second, hashing
 * included.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "transfer/download.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static void stop_at(struct error *error) {
    if (!error)
        return;
    char *text = error_text(error);
    fprintf(stderr, "download_bench: %s\n", text);
    memory_free(text);
    error_free(error);
    exit(1);
}

static struct plan *read_list(const char *path) {
    char line[4096], url[2048], name[1024], hex[65];
    long long size;
    struct plan *plan = plan_new();
    size_t access;
    plan_add_access(plan, &(struct plan_access){0}, &access);
    FILE *list = fopen(path, "r");
    if (!list)
        stop_at(error_errno(ERROR_IO, "could not open %s", path));
    while (fgets(line, sizeof line, list)) {
        int fields = sscanf(line, "%2047s %lld %1023s %64s", url, &size, name, hex);
        if (fields < 3)
            continue;
        stop_at(plan_add_file(
            plan, &(struct plan_file){.path = name,
                                      .size = size,
                                      .url = url,
                                      .access = access,
                                      .digest = fields == 4 ? DIGEST_SHA256 : DIGEST_NONE,
                                      .hex = fields == 4 ? hex : NULL,
                                      .mtime_ns = -1,
                                      .mode = -1}));
    }
    fclose(list);
    stop_at(plan_seal(plan));
    return plan;
}

static double cpu_seconds(const struct rusage *usage) {
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

int main(int count, char **arguments) {
    if (count < 3) {
        fprintf(stderr, "usage: download_bench LIST DIRECTORY [WORKERS]\n");
        return 2;
    }
    mallopt(M_MMAP_THRESHOLD, 256 * 1024); /* as the program has it */
    mallopt(M_TRIM_THRESHOLD, 2 * 1024 * 1024);
    struct plan *plan = read_list(arguments[1]);
    struct directory directory;
    struct progress progress;
    struct download_config config = {
        .network = {.user_agent = "download_bench/1", .direct = true},
        .max_workers = count > 3 ? atoi(arguments[3]) : 0,
    };
    progress_init(&progress);
    stop_at(directory_open(arguments[2], &directory));
    int64_t start = clock_ns();
    stop_at(download_run(plan, &directory, "bench", &config, &progress));
    double seconds = (double)(clock_ns() - start) / 1e9;
    struct rusage all, loop;
    getrusage(RUSAGE_SELF, &all);
    getrusage(RUSAGE_THREAD, &loop);
    printf("%.3f s, %lld bytes, %.0f MB/s; processor %.3f s, %.3f s of that in the loop; %ld kB "
           "resident\n",
           seconds, (long long)plan->bytes, (double)plan->bytes / 1e6 / seconds, cpu_seconds(&all),
           cpu_seconds(&loop), all.ru_maxrss);
    directory_close(&directory);
    progress_destroy(&progress);
    plan_free(plan);
    return 0;
}
