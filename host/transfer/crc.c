#include "transfer/crc.h"

#include <endian.h>
#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

/* Polynomials with their bits reflected, as the registers are. */
static const uint64_t crc32c_polynomial = 0x82F63B78;
static const uint64_t crc64nvme_polynomial = 0x9A6C9329AC4BC9B5;

/* Entry [k][b]: what byte b comes to with k zero bytes behind it, so that eight bytes take eight
 * look-ups that do not wait for each other. */
struct slices {
    uint64_t at[8][256];
};

static struct slices crc32c_slices, crc64nvme_slices;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill(struct slices *slices, uint64_t polynomial) {
    for (uint64_t byte = 0; byte < 256; byte++) {
        uint64_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
        slices->at[0][byte] = crc;
    }
    for (size_t k = 1; k < 8; k++)
        for (size_t byte = 0; byte < 256; byte++) {
            uint64_t crc = slices->at[k - 1][byte];
            slices->at[k][byte] = crc >> 8 ^ slices->at[0][crc & 0xFF];
        }
}

static void prepare(void) {
    fill(&crc32c_slices, crc32c_polynomial);
    fill(&crc64nvme_slices, crc64nvme_polynomial);
}

static uint64_t load(const unsigned char *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return le64toh(word);
}

/* For registers of up to 64 bits. */
static uint64_t run(const struct slices *slices, uint64_t crc, const unsigned char *bytes,
                    size_t length) {
    for (; length >= 8; bytes += 8, length -= 8) {
        uint64_t word = crc ^ load(bytes);
        crc = slices->at[7][word & 0xFF] ^ slices->at[6][word >> 8 & 0xFF] ^
              slices->at[5][word >> 16 & 0xFF] ^ slices->at[4][word >> 24 & 0xFF] ^
              slices->at[3][word >> 32 & 0xFF] ^ slices->at[2][word >> 40 & 0xFF] ^
              slices->at[1][word >> 48 & 0xFF] ^ slices->at[0][word >> 56];
    }
    for (; length > 0; bytes++, length--)
        crc = crc >> 8 ^ slices->at[0][(crc ^ *bytes) & 0xFF];
    return crc;
}

uint32_t crc32c_by_table(uint32_t crc, const void *bytes, size_t length) {
    pthread_once(&once, prepare);
    return ~(uint32_t)run(&crc32c_slices, (uint32_t)~crc, bytes, length);
}

uint64_t crc64nvme_update(uint64_t crc, const void *bytes, size_t length) {
    pthread_once(&once, prepare);
    return ~run(&crc64nvme_slices, ~crc, bytes, length);
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_by_hardware(uint32_t crc,
                                                                     const unsigned char *bytes,
                                                                     size_t length) {
    uint64_t state = (uint32_t)~crc;
    for (; length >= 8; bytes += 8, length -= 8)
        state = _mm_crc32_u64(state, load(bytes));
    uint32_t end = (uint32_t)state;
    for (; length > 0; bytes++, length--)
        end = _mm_crc32_u8(end, *bytes);
    return ~end;
}

uint32_t crc32c_update(uint32_t crc, const void *bytes, size_t length) {
    return __builtin_cpu_supports("sse4.2") ? crc32c_by_hardware(crc, bytes, length)
                                            : crc32c_by_table(crc, bytes, length);
}
#else
uint32_t crc32c_update(uint32_t crc, const void *bytes, size_t length) {
    return crc32c_by_table(crc, bytes, length);
}
#endif
