/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp_progress.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* Both numbers came to struct tcp_info at the same time (Linux 4.1). */
static bool ask(int fd, struct tcp_info *out)
{
    socklen_t n = sizeof(*out);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, out, &n) == 0 &&
           n >= offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(out->tcpi_bytes_received);
}

int64_t tcp_bytes_received(int fd)
{
    struct tcp_info info;
    return ask(fd, &info) ? (int64_t)info.tcpi_bytes_received : -1;
}

int64_t tcp_bytes_acked(int fd)
{
    struct tcp_info info;
    return ask(fd, &info) ? (int64_t)info.tcpi_bytes_acked : -1;
}

int64_t tcp_bytes_read(int fd)
{
    int64_t before, received = tcp_bytes_received(fd);
    int unread;
    do { /* what comes between the two questions must not be in one answer alone */
        before = received;
        if (received < 0 || ioctl(fd, SIOCINQ, &unread) != 0) {
            return -1;
        }
        received = tcp_bytes_received(fd);
    } while (before != received);
    return received - unread;
}

bool tcp_has_unread(int fd)
{
    int n = 0;
    return ioctl(fd, SIOCINQ, &n) == 0 && n > 0;
}

bool tcp_has_unsent(int fd)
{
    int n = 0;
    return ioctl(fd, SIOCOUTQ, &n) == 0 && n > 0;
}

void tcp_cut(int fd)
{
    const struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    shutdown(fd, SHUT_RDWR);
}
