/*
 * Which addresses a guarded connection must not reach: those of this machine, of its links, and of
 * the cloud's metadata services, in every form that leads there. Used by network_curl.c, on what a
 * name resolved to and on addresses that stand in a URL. Nothing is allocated.
 */
#ifndef KTHENA_TRANSFER_GUARD_H
#define KTHENA_TRANSFER_GUARD_H

#include <stddef.h>
#include <sys/socket.h>

enum { GUARD_TEXT_SIZE = 64 };

/* What forbids the address, as "a loopback address"; NULL when nothing does. An address family that
 * is neither IPv4 nor IPv6 is forbidden. */
const char *guard_address(const struct sockaddr *address, socklen_t length);

/* The same for the host of a URL, IPv6 with or without its brackets: addresses in any spelling the
 * resolver takes, and the names that mean this machine everywhere. NULL for any other name, which
 * has to be resolved before it can be judged. */
const char *guard_host(const char *host);

/* Writes the address without a port, for messages. */
void guard_text(const struct sockaddr *address, socklen_t length, char text[GUARD_TEXT_SIZE]);

#endif
