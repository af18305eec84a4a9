#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

int64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_ms(void) {
    return clock_ns() / 1000000;
}

double clock_wall(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void clock_text(double wall, char text[CLOCK_TEXT_SIZE]) {
    double whole = floor(wall);
    time_t seconds = (time_t)whole;
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t length = strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + length, CLOCK_TEXT_SIZE - length, ".%03dZ", (int)((wall - whole) * 1000));
}

void clock_condition_init(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

int clock_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t deadline_ms) {
    struct timespec until = {.tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000};
    return pthread_cond_timedwait(condition, mutex, &until);
}
