/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp_read.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int64_t tcp_bytes_read(int fd)
{
    struct tcp_info info;
    socklen_t n = sizeof(info);
    int unread;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0 ||
        n < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received) ||
        ioctl(fd, SIOCINQ, &unread) != 0) {
        return -1;
    }
    return (int64_t)info.tcpi_bytes_received - unread;
}
