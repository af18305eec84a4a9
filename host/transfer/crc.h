/*
 * The checksums that no library of ours has: CRC-32C (Castagnoli, in hardware where there is some)
 * and CRC-64/NVME. Used by digest.c. Both continue from what an earlier call returned; the first
 * call gets 0.
 */
#ifndef KTHENA_TRANSFER_CRC_H
#define KTHENA_TRANSFER_CRC_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c_update(uint32_t crc, const void *bytes, size_t length);
uint64_t crc64nvme_update(uint64_t crc, const void *bytes, size_t length);

/* crc32c_update without the hardware's help; here for the test. */
uint32_t crc32c_by_table(uint32_t crc, const void *bytes, size_t length);

#endif
