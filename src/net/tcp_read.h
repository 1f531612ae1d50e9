/* SPDX-License-Identifier: Apache-2.0 */
/* How much of a TCP socket's stream has been read, whoever read it. Any thread. */
#ifndef INGOT_NET_TCP_READ_H
#define INGOT_NET_TCP_READ_H

#include <stdint.h>

/* Bytes that were read since the connection was made (its end counts as one more, once it has come); -1: the kernel
 * does not say, or it is no TCP socket. */
int64_t tcp_bytes_read(int fd);

#endif
