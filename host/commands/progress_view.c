#include "commands/progress_view.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/thread.h"
#include "store/directory.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    TICK_MS = 200,
    LINE_MS = 5000,
    JSON_MS = 1000,
    WINDOW = 25, /* ticks over which the rate is measured */
    INTERRUPTED = 130,
    WAKE = SIGUSR1, /* blocked in every thread; ends the wait for a tick */
    NAME_WIDTH = 36,
    DURATION_MAX = 359999, /* seconds: 99h59m59s */
    COLUMNS = 80,
    COLUMNS_MAX = 400,
    FIGURES_WIDTH = 44,
};

struct view {
    enum view_mode mode;
    const char *verb;
    struct progress *progress;
    atomic_bool *cancel;
    atomic_bool stopping;
    pthread_t thread;
    int signal;
    int lines;                /* of the frame that is on the terminal */
    int64_t fetched[WINDOW];  /* bytes at the last ticks, */
    int64_t times_ms[WINDOW]; /* and when that was */
    size_t ticks;
    int64_t shown_ms;
};

enum view_mode view_mode_of(const char *word) {
    if (strcmp(word, "auto") == 0)
        return isatty(STDERR_FILENO) ? VIEW_BAR : VIEW_LINES;
    if (strcmp(word, "bar") == 0)
        return VIEW_BAR;
    if (strcmp(word, "lines") == 0)
        return VIEW_LINES;
    return strcmp(word, "json") == 0 ? VIEW_JSON : VIEW_NONE;
}

void view_duration(double seconds, char text[16]) {
    unsigned whole = seconds >= 0 && seconds < DURATION_MAX ? (unsigned)(seconds + 0.5) : 0;
    if (seconds < 0 || seconds >= DURATION_MAX)
        snprintf(text, 16, "--");
    else if (whole >= 3600)
        snprintf(text, 16, "%uh%02um%02us", whole / 3600 % 100, whole / 60 % 60, whole % 60);
    else if (whole >= 60)
        snprintf(text, 16, "%um%02us", whole / 60, whole % 60);
    else
        snprintf(text, 16, "%us", whole);
}

/* Seconds until all is there at this rate; -1 when nobody can tell. */
static double eta(struct progress *progress, double rate) {
    int64_t total = atomic_load(&progress->bytes_total), done = atomic_load(&progress->bytes_done);
    return total > done && rate > 1 ? (double)(total - done) / rate : -1;
}

static void add_bar(struct buffer *out, int64_t done, int64_t total, int width) {
    int filled = total > 0 ? (int)((double)done / (double)total * width) : 0;
    if (filled > width)
        filled = width;
    buffer_byte(out, '[');
    for (int i = 0; i < width; i++)
        buffer_byte(out, i < filled ? '=' : (i == filled && total > done ? '>' : ' '));
    buffer_byte(out, ']');
}

/* A name may hold any byte; a terminal must not be driven by it. */
static void tame(struct buffer *out, size_t from) {
    for (size_t i = from, step; i < out->length; i += step) {
        step = text_utf8(out->data + i, out->length - i);
        bool safe = text_is_safe(out->data + i, step);
        step += !step;
        if (!safe)
            memset(out->data + i, '?', step);
    }
}

/* "name [====>   ]  45%  1.2 GB / 2.6 GB" */
static void add_file(struct buffer *out, const struct progress_file *file, int columns) {
    char done[16], total[16];
    directory_size_text(file->done, done);
    directory_size_text(file->total, total);
    size_t length = strlen(file->path);
    bool cut = length > NAME_WIDTH;
    size_t start = out->length;
    buffer_format(out, "%s%-*s ", cut ? "..." : "", cut ? NAME_WIDTH - 3 : NAME_WIDTH,
                  cut ? file->path + length - (NAME_WIDTH - 3) : file->path);
    tame(out, start);
    int width = columns - NAME_WIDTH - 30;
    if (width >= 8)
        add_bar(out, file->done, file->total, width > 30 ? 30 : width);
    if (file->total > 0)
        buffer_format(out, " %3d%% %s / %s\n",
                      (int)((double)file->done * 100 / (double)file->total), done, total);
    else
        buffer_format(out, " %s\n", done);
}

/* "3/500 files, 1.2 GB of 2.6 GB, 812 MB/s, 14s left, 2 retries" */
static void add_figures(struct progress *progress, double rate, struct buffer *out) {
    char done[16], total[16], speed[16], left[16];
    int64_t retries = progress_retries(progress);
    directory_size_text(atomic_load(&progress->bytes_done), done);
    directory_size_text(atomic_load(&progress->bytes_total), total);
    directory_size_text((int64_t)rate, speed);
    view_duration(eta(progress, rate), left);
    buffer_format(out, "%lld/%lld files, %s of %s, %s/s, %s left",
                  (long long)atomic_load(&progress->files_done),
                  (long long)atomic_load(&progress->files_total), done, total, speed, left);
    if (retries)
        buffer_format(out, ", %lld retr%s", (long long)retries, retries == 1 ? "y" : "ies");
}

void view_frame(struct progress *progress, const char *verb, double rate, int columns,
                struct buffer *out) {
    struct progress_file files[PROGRESS_ACTIVE_MAX];
    char phase[PROGRESS_PHASE_SIZE];
    size_t count = progress_active(progress, files);
    for (size_t i = 0; i < count; i++)
        add_file(out, &files[i], columns);
    progress_phase(progress, phase);
    if (atomic_load(&progress->files_total) == 0) {
        buffer_format(out, "%s\n", *phase ? phase : verb);
        return;
    }
    int width = columns - FIGURES_WIDTH - 30;
    if (width >= 8) {
        add_bar(out, atomic_load(&progress->bytes_done), atomic_load(&progress->bytes_total),
                width > 30 ? 30 : width);
        buffer_byte(out, ' ');
    }
    add_figures(progress, rate, out);
    buffer_byte(out, '\n');
}

/* Bytes a second over the last five seconds. */
static double measure(struct view *view, int64_t now_ms) {
    size_t at = view->ticks % WINDOW;
    size_t first = view->ticks < WINDOW ? 0 : at;
    int64_t bytes = atomic_load(&view->progress->bytes_fetched);
    int64_t since = view->ticks ? view->times_ms[first] : now_ms;
    int64_t before = view->ticks ? view->fetched[first] : bytes;
    view->fetched[at] = bytes;
    view->times_ms[at] = now_ms;
    view->ticks++;
    return now_ms > since ? (double)(bytes - before) * 1000 / (double)(now_ms - since) : 0;
}

static void write_out(int fd, const struct buffer *text) {
    for (size_t done = 0; done < text->length;) {
        ssize_t count = write(fd, text->data + done, text->length - done);
        if (count < 0 && errno != EINTR)
            return; /* nobody watches any more; the download goes on */
        done += count > 0 ? (size_t)count : 0;
    }
}

static void draw_bars(struct view *view, double rate) {
    struct winsize size = {0};
    struct buffer frame = {0}, text = {0};
    int columns =
        ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : COLUMNS;
    view_frame(view->progress, view->verb, rate, columns < COLUMNS_MAX ? columns : COLUMNS_MAX,
               &frame);
    if (view->lines)
        buffer_format(&text, "\033[%dA", view->lines);
    buffer_string(&text, "\033[J\r");
    view->lines = 0;
    for (size_t i = 0; i < frame.length; i++)
        view->lines += frame.data[i] == '\n';
    buffer_append(&text, frame.data, frame.length);
    write_out(STDERR_FILENO, &text);
    buffer_free(&frame);
    buffer_free(&text);
}

static void write_line(struct view *view, double rate) {
    struct buffer text = {0};
    char phase[PROGRESS_PHASE_SIZE];
    progress_phase(view->progress, phase);
    if (atomic_load(&view->progress->files_total))
        add_figures(view->progress, rate, &text);
    else
        buffer_string(&text, *phase ? phase : view->verb);
    log_info("%s", buffer_text(&text));
    buffer_free(&text);
}

static void write_event(struct view *view, double rate) {
    struct buffer text = {0};
    struct json json;
    struct progress *progress = view->progress;
    char phase[PROGRESS_PHASE_SIZE];
    double left = eta(progress, rate);
    progress_phase(progress, phase);
    json_begin(&json, &text);
    json_object(&json);
    json_key_string(&json, "event", "progress");
    json_key_string(&json, "phase", phase);
    json_key_integer(&json, "bytes_done", atomic_load(&progress->bytes_done));
    json_key_integer(&json, "bytes_total", atomic_load(&progress->bytes_total));
    json_key_integer(&json, "files_done", atomic_load(&progress->files_done));
    json_key_integer(&json, "files_total", atomic_load(&progress->files_total));
    json_key_number(&json, "bytes_per_second", rate);
    if (left >= 0)
        json_key_number(&json, "eta_seconds", left);
    else
        json_key_string(&json, "eta_seconds", NULL);
    json_key_integer(&json, "retries", progress_retries(progress));
    json_end_object(&json);
    buffer_byte(&text, '\n');
    write_out(STDOUT_FILENO, &text);
    buffer_free(&text);
}

static void show(struct view *view) {
    int64_t now_ms = clock_ms();
    double rate = measure(view, now_ms);
    int64_t every = view->mode == VIEW_LINES ? LINE_MS : view->mode == VIEW_JSON ? JSON_MS : 0;
    if (now_ms - view->shown_ms < every)
        return;
    view->shown_ms = now_ms;
    if (view->mode == VIEW_BAR)
        draw_bars(view, rate);
    else if (view->mode == VIEW_LINES)
        write_line(view, rate);
    else if (view->mode == VIEW_JSON)
        write_event(view, rate);
}

/* Waits a tick for a signal that asks to stop. */
static void take_signal(struct view *view, const sigset_t *set) {
    struct timespec tick = {.tv_nsec = TICK_MS * 1000000L};
    int number = sigtimedwait(set, NULL, &tick);
    if (number <= 0 || number == WAKE)
        return;
    if (view->signal)
        _exit(INTERRUPTED);
    view->signal = number;
    atomic_store(view->cancel, true);
    log_info("%s: stopping; what is there is kept for the next run",
             number == SIGINT ? "SIGINT" : "SIGTERM");
}

static void *run(void *context) {
    struct view *view = context;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, WAKE);
    while (!atomic_load(&view->stopping)) {
        show(view);
        take_signal(view, &set);
    }
    return NULL;
}

struct error *view_start(enum view_mode mode, const char *verb, struct progress *progress,
                         atomic_bool *cancel, struct view **out) {
    struct view *view = memory_zero(1, sizeof *view);
    view->mode = mode;
    view->verb = verb;
    view->progress = progress;
    view->cancel = cancel;
    view->shown_ms = clock_ms();
    struct error *error = thread_start(&view->thread, "progress", run, view);
    if (error) {
        memory_free(view);
        return error;
    }
    *out = view;
    return NULL;
}

int view_stop(struct view *view) {
    atomic_store(&view->stopping, true);
    pthread_kill(view->thread, WAKE);
    pthread_join(view->thread, NULL);
    if (view->lines) {
        struct buffer text = {0};
        buffer_format(&text, "\033[%dA\033[J\r", view->lines);
        write_out(STDERR_FILENO, &text);
        buffer_free(&text);
    }
    int number = view->signal;
    memory_free(view);
    return number;
}
