#include "metrics/own_metrics.h"

#include "base/clock.h"
#include "base/memory.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define COLLECTORS_MAX 16

/* The kernel adds these up over every thread, so scrapes in quick succession share one reading. */
#define PROCESS_AGE_NS 100000000

struct process {
    int64_t read_ns; /* 0: never */
    double resident_bytes;
    double cpu_seconds;
};

struct own_metrics {
    char *version;
    pthread_mutex_t lock; /* of process */
    struct process process;
    int statm; /* /proc/self/statm, kept open: opening it costs more than reading it; -1 without it
                */
    size_t count;
    struct {
        own_collector *collect;
        void *context;
    } collectors[COLLECTORS_MAX];
};

/* Resident memory in bytes, the second figure of statm (proc(5)); 0 when that cannot be read. */
static double resident_bytes(const struct own_metrics *metrics) {
    char text[128];
    ssize_t length = pread(metrics->statm, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    const char *resident = strchr(text, ' ');
    return resident ? strtod(resident, NULL) * (double)sysconf(_SC_PAGESIZE) : 0;
}

static double seconds(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static struct process read_process(struct own_metrics *metrics) {
    int64_t now = clock_ns();
    pthread_mutex_lock(&metrics->lock);
    struct process *process = &metrics->process;
    if (process->read_ns == 0 || now - process->read_ns > PROCESS_AGE_NS) {
        struct rusage usage = {0};
        getrusage(RUSAGE_SELF, &usage);
        *process = (struct process){now, resident_bytes(metrics),
                                    seconds(usage.ru_utime) + seconds(usage.ru_stime)};
    }
    struct process copy = *process;
    pthread_mutex_unlock(&metrics->lock);
    return copy;
}

static void collect_process(void *context, struct metric_writer *writer) {
    struct own_metrics *metrics = context;
    struct process process = read_process(metrics);
    writer_family(writer, "kthena_runtime_build_info", METRIC_GAUGE, "The version that runs.");
    writer_sample(writer, "version", metrics->version, 1);
    writer_family(writer, "kthena_runtime_process_resident_memory_bytes", METRIC_GAUGE,
                  "Resident memory of the sidecar.");
    writer_sample(writer, NULL, NULL, process.resident_bytes);
    writer_family(writer, "kthena_runtime_process_cpu_seconds_total", METRIC_COUNTER,
                  "CPU time the sidecar has used, in user and system mode.");
    writer_sample(writer, NULL, NULL, process.cpu_seconds);
}

struct own_metrics *own_metrics_new(const char *version) {
    struct own_metrics *metrics = memory_zero(1, sizeof *metrics);
    metrics->version = memory_string(version);
    pthread_mutex_init(&metrics->lock, NULL);
    metrics->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    own_metrics_register(metrics, collect_process, metrics);
    return metrics;
}

void own_metrics_free(struct own_metrics *metrics) {
    if (!metrics)
        return;
    if (metrics->statm >= 0)
        close(metrics->statm);
    pthread_mutex_destroy(&metrics->lock);
    memory_free(metrics->version);
    memory_free(metrics);
}

void own_metrics_register(struct own_metrics *metrics, own_collector *collector, void *context) {
    if (metrics->count == COLLECTORS_MAX)
        return;
    metrics->collectors[metrics->count].collect = collector;
    metrics->collectors[metrics->count++].context = context;
}

void own_metrics_write(const struct own_metrics *metrics, bool open_metrics, struct buffer *out) {
    struct metric_writer writer = {.out = out, .open_metrics = open_metrics};
    for (size_t i = 0; i < metrics->count; i++)
        metrics->collectors[i].collect(metrics->collectors[i].context, &writer);
}
