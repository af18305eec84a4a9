#include "server/head.h"

enum { TLS_HANDSHAKE = 22, TLS_RECORD_HEADER = 5 };

static int is_control(unsigned char byte) {
    return (byte < 32 && byte != '\r' && byte != '\n') || byte == 127;
}

enum head_state head_scan(const char *bytes, size_t length, size_t seen) {
    for (size_t i = seen > 3 ? seen - 3 : 0; i < length; i++) {
        if (is_control((unsigned char)bytes[i]))
            return HEAD_BROKEN;
        if (bytes[i] != '\n')
            continue;
        if (i >= 1 && bytes[i - 1] == '\n')
            return HEAD_COMPLETE;
        if (i >= 3 && bytes[i - 1] == '\r' && bytes[i - 2] == '\n' && bytes[i - 3] == '\r')
            return HEAD_COMPLETE;
    }
    return HEAD_PARTIAL;
}

enum head_state head_scan_tls(const char *bytes, size_t length) {
    if (length == 0)
        return HEAD_PARTIAL;
    if (bytes[0] != TLS_HANDSHAKE)
        return HEAD_BROKEN;
    if (length < TLS_RECORD_HEADER)
        return HEAD_PARTIAL;
    size_t record = (size_t)(unsigned char)bytes[3] << 8 | (unsigned char)bytes[4];
    /* A record too long for TLS or for our window is for the TLS library to refuse. */
    if (length >= TLS_RECORD_HEADER + record || length >= HEAD_MAX)
        return HEAD_COMPLETE;
    return HEAD_PARTIAL;
}
