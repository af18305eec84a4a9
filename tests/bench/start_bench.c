/*
 * From exec to the first 200 on /health: start_bench TIMES PROGRAM ARGUMENT... starts the program
 * with --port and a free port behind its arguments, asks in a tight loop, prints the milliseconds
 * it took, one start a line, and ends the program.
 */
#include "base/clock.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Between two attempts: short beside what is measured, long enough to leave a small machine to the
 * program. */
#define PAUSE_NS 50000

#define GIVE_UP_NS 10000000000

static const char request[] =
    "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

static struct sockaddr_in loopback(int port) {
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

/* A port of the loopback interface that nobody listens on. */
static int free_port(void) {
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) ||
        getsockname(fd, (struct sockaddr *)&address, &length))
        perror("start_bench: could not find a free port");
    close(fd);
    return ntohs(address.sin_port);
}

static bool healthy(int port) {
    struct sockaddr_in address = loopback(port);
    char reply[sizeof "HTTP/1.1 200"] = "";
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool ok = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
              send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == sizeof request - 1 &&
              recv(fd, reply, sizeof reply - 1, MSG_WAITALL) == sizeof reply - 1 &&
              strcmp(reply, "HTTP/1.1 200") == 0;
    close(fd);
    return ok;
}

static pid_t start(char **command) {
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execv(command[0], command);
    _exit(127);
}

/* Milliseconds until the program answers; less than 0 when it does not. */
static double measure(char **command, int port) {
    int64_t begin = clock_ns(), now = begin;
    pid_t pid = start(command);
    if (pid < 0)
        return -1;
    bool answered = healthy(port), ended = false;
    while (!answered && !ended && now - begin < GIVE_UP_NS) {
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
        answered = healthy(port);
        now = clock_ns();
        ended = waitpid(pid, NULL, WNOHANG) == pid;
    }
    if (!ended) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    return answered ? (double)(now - begin) / 1e6 : -1;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: start_bench TIMES PROGRAM ARGUMENT...\n");
        return 2;
    }
    char **command = calloc((size_t)argc + 1, sizeof *command), text[16];
    memcpy(command, argv + 2, (size_t)(argc - 2) * sizeof *command);
    command[argc - 2] = "--port";
    command[argc - 1] = text;
    int status = 0;
    for (int i = atoi(argv[1]); i > 0 && status == 0; i--) {
        int port = free_port();
        snprintf(text, sizeof text, "%d", port);
        double milliseconds = measure(command, port);
        status = milliseconds < 0;
        if (status)
            fprintf(stderr, "start_bench: %s did not answer on port %d\n", command[0], port);
        else
            printf("%.3f\n", milliseconds);
    }
    free(command);
    return status;
}
