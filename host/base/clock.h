/*
 * Time: a monotonic clock for durations and deadlines, the wall clock for people. Used everywhere;
 * nothing else in the host reads a clock.
 */
#ifndef KTHENA_BASE_CLOCK_H
#define KTHENA_BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>

/* Monotonic time in nanoseconds and in milliseconds. */
int64_t clock_ns(void);
int64_t clock_ms(void);

/* Seconds since the epoch, with fraction. */
double clock_wall(void);

/* Writes the wall time as RFC 3339 in UTC with milliseconds, "2026-10-01T12:00:00.123Z", into text.
 */
#define CLOCK_TEXT_SIZE 32
void clock_text(double wall, char text[CLOCK_TEXT_SIZE]);

/* Initialises a condition variable whose timed waits follow the monotonic clock. */
void clock_condition_init(pthread_cond_t *condition);

/* Waits until signalled or until the monotonic time deadline_ms. Returns 0, or ETIMEDOUT. */
int clock_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t deadline_ms);

#endif
