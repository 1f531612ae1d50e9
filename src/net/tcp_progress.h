/* SPDX-License-Identifier: Apache-2.0 */
/* How far a TCP socket's streams have got, whoever reads and writes them. Any thread. Where a number is asked for, -1
 * says that the kernel does not tell, or that it is no TCP socket. */
#ifndef INGOT_NET_TCP_PROGRESS_H
#define INGOT_NET_TCP_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes that were read since the connection was made (its end counts as one more, once it has come). */
int64_t tcp_bytes_read(int fd);
/* Bytes that have come, read or not. */
int64_t tcp_bytes_received(int fd);
/* Bytes that the other side has said to have received. */
int64_t tcp_bytes_acked(int fd);
bool tcp_has_unread(int fd); /* some have come and were not read */
bool tcp_has_unsent(int fd); /* some were written and not acknowledged */
/* Both streams end now, and what was written is not kept for a peer that does not take it. Whoever reads or writes the
 * socket is told, and closes it. */
void tcp_cut(int fd);

#endif
