/* SPDX-License-Identifier: Apache-2.0 */
/* Requests whose end two readers could see at different places, or that are no requests: what each must get. */
#ifndef INGOT_TESTS_SUPPORT_HTTP_SHAPES_H
#define INGOT_TESTS_SUPPORT_HTTP_SHAPES_H

#include "base/str.h"

struct http_shape {
    const char *name;
    struct str bytes;
    int status; /* the one answer, after which the connection is closed */
};

#define SHAPE_POST(rest)                                                                           \
    STR_INIT("POST /t/raw HTTP/1.1\r\nHost: x\r\n" rest                                            \
             "GET /t/smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
#define SHAPE_GET(rest)                                                                            \
    STR_INIT("GET /t/echo/a/b HTTP/1.1\r\n" rest                                                   \
             "\r\n\r\nGET /t/smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
#define SHAPE_LINE(line)                                                                           \
    STR_INIT(line "\r\nHost: x\r\n\r\nGET /t/smuggled HTTP/1.1\r\nHost: x\r\n\r\n")

static const struct http_shape http_shapes[] = {
    {"a length and chunks",
     SHAPE_POST("Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
     400},
    {"chunks and a length",
     SHAPE_POST("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
     400},
    {"two lengths that differ", SHAPE_POST("Content-Length: 2\r\nContent-Length: 60\r\n\r\n{}"),
     400},
    {"two lengths that are the same",
     SHAPE_POST("Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"), 400},
    {"a list of lengths", SHAPE_POST("Content-Length: 2, 2\r\n\r\n{}"), 400},
    {"a signed length", SHAPE_POST("Content-Length: +2\r\n\r\n{}"), 400},
    {"a hexadecimal length", SHAPE_POST("Content-Length: 0x2\r\n\r\n{}"), 400},
    {"an empty length", SHAPE_POST("Content-Length:\r\n\r\n"), 400},
    {"a length past 64 bits", SHAPE_POST("Content-Length: 18446744073709551618\r\n\r\n{}"), 413},
    {"a blank before the colon", SHAPE_POST("Content-Length : 2\r\n\r\n{}"), 400},
    {"a tab before the colon", SHAPE_POST("Content-Length\t: 2\r\n\r\n{}"), 400},
    {"a folded length", SHAPE_POST("Content-Length:\r\n 2\r\n\r\n{}"), 400},
    {"a folded coding", SHAPE_POST("Transfer-Encoding:\r\n\tchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
     400},
    {"a folded field that does not matter", SHAPE_GET("Host: x\r\nA: b\r\n c"), 400},
    {"a first line that is folded", SHAPE_GET(" A: b\r\nHost: x"), 400},
    {"an unknown coding",
     SHAPE_POST("Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), 501},
    {"chunked is not the last coding",
     SHAPE_POST("Transfer-Encoding: chunked, identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), 400},
    {"no coding that ends", SHAPE_POST("Transfer-Encoding: identity\r\n\r\n{}"), 400},
    {"a vertical tab before the coding",
     SHAPE_POST("Transfer-Encoding: \x0b"
                "chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
     400},
    {"a blank after the coding",
     SHAPE_POST("Transfer-Encoding: chunked \r\n\r\n2\r\n{}\r\n0\r\n\r\n"), 400},
    {"two codings",
     SHAPE_POST(
         "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
     400},
    {"a second coding that is none",
     SHAPE_POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
     400},
    {"chunks in HTTP/1.0",
     STR_INIT("POST /t/raw HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: "
              "chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
     400},
    {"a chunk size that is none",
     SHAPE_POST("Transfer-Encoding: chunked\r\n\r\nx\r\n{}\r\n0\r\n\r\n"), 400},
    {"a signed chunk size", SHAPE_POST("Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n"),
     400},
    {"a chunk longer than it says",
     SHAPE_POST("Transfer-Encoding: chunked\r\n\r\n2\r\n{}}\r\n0\r\n\r\n"), 400},
    {"two hosts", SHAPE_GET("Host: a\r\nHost: b"), 400},
    {"no host", SHAPE_GET("A: b"), 400},
    {"a host with a path", SHAPE_GET("Host: a/b"), 400},
    {"a host with a blank", SHAPE_GET("Host: a b"), 400},
    {"a NUL in a value", SHAPE_GET("Host: x\r\nA: b\0c"), 400},
    {"a NUL at the end of a value", SHAPE_GET("Host: x\r\nA: b\0"), 400},
    {"NULs that look like a line's end", SHAPE_GET("Host: x\r\nA: b\0\0B\0 c"), 400},
    {"NULs that look like a field", SHAPE_POST("A: b\0\0Content-Length\0 2\r\n\r\n{}"), 400},
    {"a NUL in a name", SHAPE_GET("Host: x\r\nA\0: b"), 400},
    {"a NUL that looks like a colon", SHAPE_GET("Host: x\r\nA\0 b"), 400},
    {"a NUL that looks like the end", SHAPE_GET("Host: x\r\n\0A: b"), 400},
    {"a NUL in the target", SHAPE_LINE("GET /t/echo/a/b\0c HTTP/1.1"), 400},
    {"a NUL in the method", SHAPE_LINE("GET\0 /t/echo/a/b HTTP/1.1"), 400},
    {"a lone CR in a value", SHAPE_GET("Host: x\r\nA: b\rc"), 400},
    {"a lone CR in the target", SHAPE_LINE("GET /t/echo/a/b\rc HTTP/1.1"), 400},
    {"a bare LF after a field", SHAPE_GET("Host: x\nA: b"), 400},
    {"a bare LF after the request line", STR_INIT("GET /t/echo/a/b HTTP/1.1\nHost: x\r\n\r\n"),
     400},
    {"a bare LF as the empty line",
     STR_INIT(
         "GET /t/echo/a/b HTTP/1.1\r\nHost: x\r\n\nGET /t/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"),
     400},
    {"a name with a bracket", SHAPE_GET("Host: x\r\nA(: b"), 400},
    {"an empty name", SHAPE_GET("Host: x\r\n: b"), 400},
    {"a line without a colon", SHAPE_GET("Host: x\r\nA"), 400},
    {"two blanks before the target", SHAPE_LINE("GET  /t/echo/a/b HTTP/1.1"), 400},
    {"two blanks before the version", SHAPE_LINE("GET /t/echo/a/b  HTTP/1.1"), 0},
    {"a blank after the version", SHAPE_LINE("GET /t/echo/a/b HTTP/1.1 "), 400},
    {"a blank in the target", SHAPE_LINE("GET /t/echo/a/b c HTTP/1.1"), 0},
    {"a bracket in the method", SHAPE_LINE("GE(T /t/echo/a/b HTTP/1.1"), 400},
    {"HTTP/2.0", SHAPE_LINE("GET /t/echo/a/b HTTP/2.0"), 505},
    {"no version", SHAPE_LINE("GET /t/echo/a/b"), 400},
};

#endif
