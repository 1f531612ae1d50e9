/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp_read.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static bool bytes_received(int fd, uint64_t *out)
{
    struct tcp_info info;
    socklen_t n = sizeof(info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0 ||
        n < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received)) {
        return false;
    }
    *out = info.tcpi_bytes_received;
    return true;
}

int64_t tcp_bytes_read(int fd)
{
    uint64_t before, received;
    int unread;
    if (!bytes_received(fd, &received)) {
        return -1;
    }
    do { /* what comes between the two questions must not be in one answer alone */
        before = received;
        if (ioctl(fd, SIOCINQ, &unread) != 0 || !bytes_received(fd, &received)) {
            return -1;
        }
    } while (before != received);
    return (int64_t)received - unread;
}
